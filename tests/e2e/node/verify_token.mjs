// A stranger's verifier: fetches the published keys and checks a token with Node's own crypto.
// Arguments: key set URL, token. Prints the claims; exits with 1 when the signature is not good.
import { createPublicKey, verify } from 'node:crypto'

const [, , keySetUrl, token] = process.argv
const [header, payload, signature] = token.split('.')
const { kid, alg } = JSON.parse(Buffer.from(header, 'base64url'))
const { keys } = await (await fetch(keySetUrl)).json()
const jwk = keys.find((key) => key.kid === kid)
if (alg !== 'EdDSA' || jwk === undefined) process.exit(1)
const key = createPublicKey({ key: jwk, format: 'jwk' })
const signed = Buffer.from(`${header}.${payload}`)
if (!verify(null, signed, key, Buffer.from(signature, 'base64url'))) process.exit(1)
console.log(Buffer.from(payload, 'base64url').toString())
