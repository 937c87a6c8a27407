// Peer of the gateway: @fastify/http-proxy with authentication and @fastify/rate-limit in Redis.
import Fastify from 'fastify'
import proxy from '@fastify/http-proxy'
import rateLimit from '@fastify/rate-limit'
import { redis, verify } from './revocation.mjs'

const app = Fastify({ logger: false })

app.decorateRequest('claims', null)
app.addHook('onRequest', async (request, reply) => {
  if (request.url === '/health') return
  try {
    request.claims = await verify((request.headers.authorization ?? '').slice(7))
  } catch {
    return reply.code(401).send({ statusCode: 401, error: 'Unauthorized' })
  }
})
await app.register(rateLimit, {
  max: Number(process.env.PEER_RATE_LIMIT),
  timeWindow: 60_000,
  redis,
  keyGenerator: (request) => request.claims?.tenant_id ?? request.ip
})
app.get('/health', async () => ({ status: 'ok' }))
await app.register(proxy, { upstream: process.env.UPSTREAM_URL, prefix: '/v1', rewritePrefix: '/api/v1' })
await app.listen({ host: '127.0.0.1', port: Number(process.env.PORT) })
