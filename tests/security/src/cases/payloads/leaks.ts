import { randomBytes } from 'node:crypto'
import { LETTER_TOPICS, type TopicRole } from '@weir/contracts'
import type { Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { bodyOf, freshId, signatureOf, signedHeaders, type SourceUnderTest } from '../../source-under-test.ts'

const RECORDS: readonly TopicRole[] = ['received', 'unique', 'duplicates']

const canary = (what: string): string => `canary-${what}-${randomBytes(8).toString('hex')}`

interface Canaries {
  readonly body: string
  readonly query: string
  readonly header: string
  readonly badSignature: string
  /** Good ones of the canary requests. */
  readonly signatures: string[]
}

/** A place where nothing of a request may be, and a text that must be there if it was really looked at. */
interface Place {
  readonly name: string
  readonly text: string
  readonly mustHave: string
}

const send = async (
  rig: Rig,
  source: SourceUnderTest,
  raw: Buffer,
  canaries: Canaries,
  signature?: string,
) => {
  const { scheme } = source
  if (scheme) canaries.signatures.push(signatureOf(scheme, raw))
  const headers =
    signature === undefined
      ? signedHeaders(source, raw)
      : ['content-type', 'application/json', scheme!.header, signature]
  await rig.ingress.send({
    path: `${source.path}?token=${canaries.query}`,
    headers: [...headers, 'cookie', `session=${canaries.header}`, 'x-api-key', canaries.header],
    raw,
  })
}

/** Good, malformed, in conflict, not authentic, refused: each with canaries wherever a provider may put something. */
const sendCanaries = async (rig: Rig, canaries: Canaries): Promise<void> => {
  const more = `"message":"${canaries.body}","customer":{"phone":"${canaries.body}"}`
  for (const source of [rig.sources.strict, rig.sources.nice, rig.sources.cxone]) {
    const id = freshId()
    await send(rig, source, bodyOf(source, { id, more }), canaries)
    await send(rig, source, bodyOf(source, { id, more: `${more},"again":"${canaries.body}"` }), canaries)
    await send(rig, source, Buffer.from(`{"broken":"${canaries.body}"`), canaries)
    await send(rig, source, Buffer.from(`["${canaries.body}"]`), canaries)
    await send(rig, source, Buffer.from(`{"__proto__":"${canaries.body}"}`), canaries)
    await send(rig, source, bodyOf(source, { more }), canaries, canaries.badSignature)
    await send(rig, source, Buffer.from(`"${canaries.body.repeat(10_000)}"`), canaries)
  }
}

const headersOn = async (rig: Rig, roles: readonly TopicRole[]): Promise<string> => {
  const texts: string[] = []
  for (const role of roles) {
    for (const { headers } of await rig.topics.records(role)) {
      for (const [name, value] of Object.entries(headers)) texts.push(`${name}: ${value.toString('latin1')}`)
    }
  }
  return texts.join('\n')
}

/** Ends both by SIGKILL while requests are on their way, and starts them again. */
const killUnderLoad = async (rig: Rig, canaries: Canaries): Promise<string> => {
  const load = Array.from({ length: 20 }, () => sendCanaries(rig, canaries))
  await rig.topics.until('received', (records) => records.length > 0)
  for (const name of ['ingress', 'dedup'] as const) rig.processOf(name).kill('SIGKILL')
  await Promise.all([...load, rig.processOf('ingress').exited, rig.processOf('dedup').exited])
  await Promise.all([rig.restart('ingress'), rig.restart('dedup')])
  const raw = bodyOf(rig.sources.cxone)
  const { cxone } = rig.sources
  return String(
    (await rig.ingress.send({ path: cxone.path, headers: signedHeaders(cxone, raw), raw })).status,
  )
}

const places = async (rig: Rig, metrics: string): Promise<readonly Place[]> => {
  const logs = [...rig.logs()]
  return [
    { name: 'logs', text: logs.map(([, text]) => text).join('\n'), mustHave: '"msg":"listening"' },
    { name: 'metrics', text: metrics, mustHave: 'weir_ingress_requests_total' },
    { name: 'answers', text: rig.journal.answers.join('\n'), mustHave: '"eventKey"' },
    {
      name: 'headers of dead letters',
      text: await headersOn(rig, LETTER_TOPICS),
      mustHave: 'dlq-reason: key_conflict',
    },
    { name: 'headers of records', text: await headersOn(rig, RECORDS), mustHave: 'received-at: ' },
  ]
}

const hitsIn = (
  { text, mustHave }: Place,
  words: readonly (readonly [kind: string, word: string])[],
): string => {
  if (!text.includes(mustHave)) return 'nothing to look at'
  const kinds = new Set(words.filter(([, word]) => text.includes(word)).map(([kind]) => kind))
  return kinds.size === 0 ? '0 hits' : [...kinds].sort().join(' ')
}

const results = new WeakMap<Rig, Promise<ReadonlyMap<string, string>>>()

const look = async (rig: Rig): Promise<ReadonlyMap<string, string>> => {
  const canaries: Canaries = {
    body: canary('body'),
    query: canary('query'),
    header: canary('header'),
    badSignature: canary('signature'),
    signatures: [],
  }
  await sendCanaries(rig, canaries)
  const metrics = await rig.ingress.get('/metrics')
  const after = await killUnderLoad(rig, canaries)
  const secrets = Object.values(rig.secrets)
  const words: (readonly [string, string])[] = [
    ...(['body', 'query', 'header', 'badSignature'] as const).map((kind) => [kind, canaries[kind]] as const),
    ...secrets.map((secret) => ['secret', secret] as const),
    ...canaries.signatures.map((signature) => ['signature', signature] as const),
  ]
  const found = new Map<string, string>([['after the kill', after]])
  for (const place of await places(rig, metrics + (await rig.ingress.get('/metrics')))) {
    found.set(place.name, hitsIn(place, words))
  }
  return found
}

const resultOf = async (rig: Rig, name: string): Promise<string> => {
  const known = results.get(rig) ?? look(rig)
  results.set(rig, known)
  return (await known).get(name)!
}

export const leakCases = (): readonly SecurityCase[] => [
  ...['logs', 'metrics', 'answers', 'headers of dead letters', 'headers of records'].map((name) =>
    securityCase(
      `leaks: canaries of body, query, headers, signatures and secrets in ${name}`,
      '0 hits',
      (rig) => resultOf(rig, name),
    ),
  ),
  securityCase('leaks: a good request after SIGKILL of ingress and dedup and their restart', 200, (rig) =>
    resultOf(rig, 'after the kill'),
  ),
]
