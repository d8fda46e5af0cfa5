import { createHmac } from 'node:crypto'

export const SECRET = 'bench-secret-of-sixteen-or-more'
export const PATH = '/webhooks/cxone'
export const SIGNATURE_HEADER = 'x-cxone-signature'

const BODY_BYTES = 600
/** Events of one interaction. */
const EVENTS_EACH = 4

/** Whole HTTP requests, signed and all of one length, one after the other. */
export interface PreparedRequests {
  readonly bytes: Buffer
  readonly bytesEach: number
}

export const prepareRequests = (count: number): PreparedRequests => {
  const all = Array.from({ length: count }, (_, n) => requestOf(n))
  const bytes = Buffer.concat(all)
  const bytesEach = all[0]!.length
  if (bytes.length !== bytesEach * count) throw new Error('requests differ in length')
  return { bytes, bytesEach }
}

const requestOf = (n: number): Buffer => {
  const body = bodyOf(n)
  const signature = createHmac('sha256', SECRET).update(body).digest('hex')
  return Buffer.from(
    `POST ${PATH} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n` +
      `${SIGNATURE_HEADER}: ${signature}\r\ncontent-length: ${BODY_BYTES}\r\n\r\n${body}`,
  )
}

/** An event of CXone with about what real ones hold. */
const bodyOf = (n: number): string => {
  const head = JSON.stringify({
    interactionId: `0b9f6f2e-5d0e-4c0e-9a56-${String(Math.floor(n / EVENTS_EACH)).padStart(12, '0')}`,
    eventType: 'CALL_CONNECTED',
    timestamp: '2024-05-11T12:00:00.000Z',
    sequenceNumber: (n % EVENTS_EACH) + 1,
    agentId: 'agent-1001',
    direction: 'inbound',
    queue: { name: 'Sales', waitMs: 1_250 },
    customer: { phoneNumber: '+15550001001', segment: 'gold' },
    skill: '',
  }).slice(0, -2)
  return `${head}${'x'.repeat(BODY_BYTES - head.length - 2)}"}`
}
