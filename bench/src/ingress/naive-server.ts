import { createHmac, timingSafeEqual } from 'node:crypto'
import express from 'express'
import kafkajs from 'kafkajs-unpatched'
import { PATH, SECRET, SIGNATURE_HEADER } from './requests.ts'

/** The receiver of most tutorials: Express, and one durable send per request, with kafkajs as it is published. */
const kafka = new kafkajs.Kafka({
  brokers: String(process.env.KAFKA_BROKERS).split(','),
  logLevel: kafkajs.logLevel.ERROR,
})
const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
await producer.connect()
const app = express()
app.post(PATH, express.raw({ type: '*/*', limit: '256kb' }), async (request, response) => {
  const raw = request.body as Buffer
  const given = Buffer.from(request.get(SIGNATURE_HEADER) ?? '', 'hex')
  const due = createHmac('sha256', SECRET).update(raw).digest()
  if (given.length !== due.length || !timingSafeEqual(given, due)) {
    response.sendStatus(401)
    return
  }
  const { interactionId } = JSON.parse(raw.toString()) as { interactionId: string }
  await producer.send({
    topic: String(process.env.TOPIC),
    acks: -1,
    messages: [{ key: interactionId, value: raw }],
  })
  response.json({ status: 'accepted', interactionId })
})
app.listen(Number(process.env.PORT), '127.0.0.1')
