import { HEADER } from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'
import { sha256 } from '../../journal.ts'
import type { Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { bodyOf, freshId, signedHeaders, type SourceUnderTest } from '../../source-under-test.ts'

/** Authentic, and different from any other body of the run. */
const malformed = (): Buffer => Buffer.from(`{"broken":"${freshId()}`)

const send = (rig: Rig, source: SourceUnderTest, raw: Buffer, client = rig.ingress) =>
  client.send({ path: source.path, headers: signedHeaders(source, raw), raw })

const withBody = (records: readonly InputRecord[], raw: Buffer): readonly InputRecord[] => {
  const hash = sha256(raw)
  return records.filter(({ value }) => sha256(value!) === hash)
}

const lettersOf = async (rig: Rig, raw: Buffer): Promise<readonly InputRecord[]> =>
  withBody(await rig.topics.until('dedupDlq', (letters) => withBody(letters, raw).length > 0), raw)

const describeLetters = (letters: readonly InputRecord[]): string => {
  const [letter] = letters
  if (letter === undefined) return 'no letter'
  const text = (name: string): string => letter.headers[name]?.toString() ?? 'none'
  return `${letters.length} letter, ${text(HEADER.dlqReason)}, answered ${text(HEADER.answered)}`
}

/** Of one body, sent once. */
const singleCases = (): SecurityCase[] => [
  securityCase(
    'dead letter: signed malformed body, strict source',
    '400, 1 letter, invalid_json, answered rejected',
    async (rig) => {
      const raw = malformed()
      const { status } = await send(rig, rig.sources.strict, raw)
      return `${status}, ${describeLetters(await lettersOf(rig, raw))}`
    },
  ),
  securityCase(
    'dead letter: signed malformed body, source with accept-dlq',
    '200, 1 letter, invalid_json, answered accepted',
    async (rig) => {
      const raw = malformed()
      const { status } = await send(rig, rig.sources.cxone, raw)
      return `${status}, ${describeLetters(await lettersOf(rig, raw))}`
    },
  ),
  securityCase('dead letter: the body is with the brokers when the 400 comes', 'there', async (rig) => {
    const raw = malformed()
    await send(rig, rig.sources.strict, raw)
    return withBody(await rig.topics.records('received'), raw).length === 1 ? 'there' : 'not there'
  }),
  securityCase(
    'dead letter: an empty signed body',
    '400, 1 letter, invalid_json, answered rejected',
    async (rig) => {
      const raw = Buffer.alloc(0)
      const { status } = await send(rig, rig.sources.strict, raw)
      // A byte order mark alone is the same JSON text, so both bodies share one letter.
      const bodies = [raw, Buffer.from('\ufeff')]
      const found = (letters: readonly InputRecord[]) => bodies.flatMap((body) => withBody(letters, body))
      const letters = await rig.topics.until('dedupDlq', (all) => found(all).length > 0)
      return `${status}, ${describeLetters(found(letters))}`
    },
  ),
  securityCase(
    'dead letter: authentic JSON without its identity',
    '400, 1 letter, missing_field, answered rejected',
    async (rig) => {
      const raw = Buffer.from(`{"type":"t","x":"${freshId()}"}`)
      const { status } = await send(rig, rig.sources.strict, raw)
      return `${status}, ${describeLetters(await lettersOf(rig, raw))}`
    },
  ),
]

/** Of a body or a key that comes more than once. */
const repeatedCases = (): SecurityCase[] => [
  securityCase(
    'dead letter: the same malformed body three times',
    '400, 400, 400, 1 letter, invalid_json, answered rejected',
    async (rig) => {
      const raw = malformed()
      const statuses: number[] = []
      for (let i = 0; i < 3; i++) statuses.push((await send(rig, rig.sources.strict, raw)).status)
      await lettersOf(rig, raw)
      // Dedup decides in order: when a later event of the same source is out, the repeats are decided.
      const last = bodyOf(rig.sources.strict)
      await send(rig, rig.sources.strict, last)
      await rig.topics.until('unique', (records) => withBody(records, last).length > 0)
      return `${statuses.join(', ')}, ${describeLetters(await lettersOf(rig, raw))}`
    },
  ),
  securityCase(
    'dead letter: the same key with another body',
    '200, 200, 1 letter, key_conflict, answered none',
    async (rig) => {
      const id = freshId()
      const first = bodyOf(rig.sources.cxone, { id })
      const second = bodyOf(rig.sources.cxone, { id, more: '"other":true' })
      const statuses = [await send(rig, rig.sources.cxone, first), await send(rig, rig.sources.cxone, second)]
      return `${statuses.map(({ status }) => status).join(', ')}, ${describeLetters(await lettersOf(rig, second))}`
    },
  ),
]

const withoutKafkaCases = (): SecurityCase[] => [
  securityCase('without Kafka: signed malformed body', '503, Retry-After', async (rig) => {
    const { status, headers } = await send(rig, rig.sources.strict, malformed(), rig.cutOff)
    return `${status}, ${headers['retry-after'] === undefined ? 'no Retry-After' : 'Retry-After'}`
  }),
  securityCase('without Kafka: good body', '503, Retry-After', async (rig) => {
    const { status, headers } = await send(rig, rig.sources.strict, bodyOf(rig.sources.strict), rig.cutOff)
    return `${status}, ${headers['retry-after'] === undefined ? 'no Retry-After' : 'Retry-After'}`
  }),
  securityCase('without Kafka: no signature', 401, async (rig) => {
    const raw = bodyOf(rig.sources.strict)
    const headers = ['content-type', 'application/json']
    return (await rig.cutOff.send({ path: rig.sources.strict.path, headers, raw })).status
  }),
  securityCase('without Kafka: /livez', 200, async ({ cutOff }) => {
    return (await cutOff.send({ method: 'GET', path: '/livez', headers: [], raw: Buffer.alloc(0) })).status
  }),
  securityCase(
    'broker stopped meanwhile: signed malformed body, and again when it goes on',
    '503, 400, 1 letter, invalid_json, answered rejected',
    async (rig) => {
      const { kafka } = rig.servers
      if (kafka === undefined)
        return 'not run: this run did not start the broker of KAFKA_BROKERS and may not stop it'
      const raw = malformed()
      kafka.kill('SIGSTOP')
      const stopped = await send(rig, rig.sources.strict, raw).finally(() => kafka.kill('SIGCONT'))
      let again = await send(rig, rig.sources.strict, raw)
      // The lanes reconnect.
      for (let i = 0; i < 20 && again.status === 503; i++) again = await send(rig, rig.sources.strict, raw)
      return `${stopped.status}, ${again.status}, ${describeLetters(await lettersOf(rig, raw))}`
    },
    { tier: 'full' },
  ),
]

export const deadLetterCases = (): readonly SecurityCase[] => [
  ...singleCases(),
  ...repeatedCases(),
  ...withoutKafkaCases(),
]
