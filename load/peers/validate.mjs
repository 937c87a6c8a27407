// Peer of the auth service's internal/validate: Fastify + jsonwebtoken + ioredis.
import Fastify from 'fastify'
import { verify } from './revocation.mjs'

const app = Fastify({ logger: false })
const secret = process.env.CAAS_SERVICE_SECRET

app.post('/api/v1/auth/internal/validate', {
  schema: {
    body: {
      type: 'object',
      required: ['token'],
      additionalProperties: false,
      properties: { token: { type: 'string' } }
    }
  }
}, async (request, reply) => {
  if (request.headers['x-service-secret'] !== secret) return reply.code(401).send({ valid: false })
  try {
    const { user_id, tenant_id, external_id, session_id, exp, email } = await verify(request.body.token)
    return { valid: true, payload: { user_id, tenant_id, external_id, permissions: [], session_id, exp, email } }
  } catch {
    return reply.code(401).send({ valid: false, error: 'Invalid token' })
  }
})

app.get('/health', async () => ({ status: 'ok' }))
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
