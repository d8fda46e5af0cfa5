import { createHmac, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'
import { SECRET, SIGNATURE_HEADER } from './requests.ts'

/** Does only what any receiver must do: read the body, verify its signature, parse it, respond. No Kafka. */
const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const raw = Buffer.concat(chunks)
    const given = Buffer.from(String(request.headers[SIGNATURE_HEADER]), 'hex')
    const due = createHmac('sha256', SECRET).update(raw).digest()
    if (given.length !== due.length || !timingSafeEqual(given, due)) {
      response.writeHead(401, { 'content-length': 0 }).end()
      return
    }
    const { interactionId } = JSON.parse(raw.toString()) as { interactionId: string }
    const body = JSON.stringify({ status: 'accepted', interactionId })
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
    response.end(body)
  })
})
server.listen(Number(process.env.PORT), '127.0.0.1')
