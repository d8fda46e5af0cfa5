import { setTimeout as sleep } from 'node:timers/promises'
import type { Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { bodyOf, signedHeaders, type SourceUnderTest } from '../../source-under-test.ts'
import { tally } from '../signatures/signature.ts'

const FLOOD = 1_000
const OTHERS = 50
const OTHERS_GAP_MS = 10

const post = (rig: Rig, source: SourceUnderTest) => {
  const raw = bodyOf(source)
  return rig.limited.send({ path: source.path, headers: signedHeaders(source, raw), raw })
}

/** Another source's requests, one after the other, while the flood comes in. */
const others = async (rig: Rig): Promise<readonly number[]> => {
  const pending: Promise<{ status: number }>[] = []
  for (let i = 0; i < OTHERS; i++) {
    pending.push(post(rig, rig.sources.cxone))
    await sleep(OTHERS_GAP_MS)
  }
  return (await Promise.all(pending)).map(({ status }) => status)
}

export const floodCases = (): readonly SecurityCase[] => [
  securityCase(
    'flood: 1,000 requests of one source, and some of another',
    `200 and 429 with Retry-After; other source 200 × ${OTHERS}`,
    async (rig) => {
      const [flood, rest] = await Promise.all([
        Promise.all(Array.from({ length: FLOOD }, () => post(rig, rig.sources.nice))),
        others(rig),
      ])
      const kinds = new Set(
        flood.map(({ status, headers }) =>
          headers['retry-after'] === undefined ? `${status}` : `${status} with Retry-After`,
        ),
      )
      return `${[...kinds].sort().join(' and ')}; other source ${tally(rest)}`
    },
  ),
]

const SERIES = /^weir_[^#\s]+/gm

/** Names and labels of everything that ingress counts. */
const seriesOf = async ({ ingress }: Rig): Promise<Set<string>> =>
  new Set([...(await ingress.get('/metrics')).matchAll(SERIES)].map(([series]) => series))

const odd = async (rig: Rig, i: number): Promise<void> => {
  const { cxone } = rig.sources
  const raw = Buffer.from(
    JSON.stringify({
      ...cxone.members(`flood-${i}`),
      eventType: `type-${i}`,
      [`field-${i}`]: i,
      source: `source-${i}`,
    }),
  )
  const headers = [...signedHeaders(cxone, raw), 'user-agent', `agent-${i}`, `x-${i}`, `${i}`]
  await rig.ingress.send({ path: cxone.path, headers, raw })
  await rig.ingress.send({ path: `/webhooks/none-${i}`, headers, raw })
  await rig.ingress.send({ path: `${cxone.path}?q=${i}`, headers: ['content-type', `text/x-${i}`], raw })
}

export const labelCases = (): readonly SecurityCase[] => [
  securityCase(
    'metrics: 300 event types, fields, paths, media types and agents',
    'no new series',
    async (rig) => {
      await odd(rig, 0)
      const before = await seriesOf(rig)
      await Promise.all(Array.from({ length: 300 }, (_, i) => odd(rig, i + 1)))
      const added = [...(await seriesOf(rig))].filter((series) => !before.has(series))
      return added.length === 0
        ? 'no new series'
        : `${added.length} new series: ${added.slice(0, 3).join(' ')}`
    },
  ),
  securityCase(
    'metrics: sources in the counts of dedup',
    'batch cognigy cxone cxone-dataaction ed millis nice slack standard stripe',
    async (rig) => {
      const sources = (await rig.topics.records('stats')).map(
        ({ value }) => (JSON.parse(value!.toString()) as { source: string }).source,
      )
      return [...new Set(sources)].sort().join(' ')
    },
  ),
]
