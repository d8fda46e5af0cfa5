import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { exchangeRaw } from '../../raw-exchange.ts'
import type { Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { bodyOf, signedHeaders } from '../../source-under-test.ts'
import type { CrowdOptions } from './slow-crowd.ts'

const START = 'POST /webhooks/nice HTTP/1.1\r\nhost: weir\r\n'
/** Wrong, but there: without a signature the body is not waited for. */
const SIGNED = `content-type: application/json\r\nx-nice-signature: ${'0'.repeat(64)}\r\n`
const WHOLE_HEAD = `${START}${SIGNED}content-length: 100\r\n\r\n`
/** On a machine that does other work too, only that there is a bound is certain. */
const WIDE_MS = 12_000
/** Of the clock and the machine, besides the promise itself. */
const SLACK_MS = 400

interface Slow {
  readonly what: string
  readonly steps: readonly (string | number)[]
  /** What is promised, ms. */
  readonly boundMs: number
}

const drip = (text: string, everyMs: number): (string | number)[] =>
  Array.from(text).flatMap((char) => [char, everyMs])

const SLOW: readonly Slow[] = [
  { what: 'no byte after the start of the headers', steps: [START], boundMs: 4_000 },
  {
    what: 'a header byte each 300 ms',
    steps: [START, ...drip('x-slow: '.padEnd(100, 'x'), 300)],
    boundMs: 4_000,
  },
  { what: 'half a request line', steps: ['POST /web'], boundMs: 4_000 },
  { what: 'no byte of the body', steps: [WHOLE_HEAD], boundMs: 6_000 },
  { what: 'a body byte each 500 ms', steps: [WHOLE_HEAD, ...drip('{'.padEnd(90, ' '), 500)], boundMs: 6_000 },
  {
    what: 'a chunk each 500 ms',
    steps: [
      `${START}${SIGNED}transfer-encoding: chunked\r\n\r\n`,
      ...Array.from({ length: 90 }, () => ['1\r\nx\r\n', 500]).flat(),
    ],
    boundMs: 6_000,
  },
]

const slowCases = (): SecurityCase[] =>
  SLOW.flatMap(({ what, steps, boundMs }) =>
    (['short', 'full'] as const).map((tier) => {
      const limitMs = tier === 'short' ? WIDE_MS : boundMs + SLACK_MS
      const promised = tier === 'short' ? WIDE_MS / 1_000 : boundMs / 1_000
      return securityCase(
        `slow: ${what}, at most ${promised} s`,
        '408, closed in time',
        async ({ ingress: { port }, journal }) => {
          const { statuses, isClosed, ms } = await exchangeRaw({
            port,
            steps,
            waitMs: WIDE_MS + 3_000,
            journal,
          })
          const closed = isClosed ? 'closed' : 'open'
          return `${statuses.join(', ') || 'no answer'}, ${closed} ${ms <= limitMs ? 'in time' : `after ${Math.round(ms)} ms`}`
        },
        { tier, waits: true },
      )
    }),
  )

const GAP_MS = 20

/** Sends good requests one after the other for `forMs` and says what came back and how late the slowest 1% were. */
const measure = async ({ ingress, sources: { strict } }: Rig, forMs: number) => {
  const endAt = performance.now() + forMs
  const pending: Promise<{ status: number; ms: number }>[] = []
  while (performance.now() < endAt) {
    const raw = bodyOf(strict)
    pending.push(ingress.send({ path: strict.path, headers: signedHeaders(strict, raw), raw }))
    await sleep(GAP_MS)
  }
  const answers = await Promise.all(pending)
  const times = answers.map(({ ms }) => ms).sort((a, b) => a - b)
  return {
    statuses: [...new Set(answers.map(({ status }) => status))].join(', '),
    p99: times[Math.ceil(times.length * 0.99) - 1]!,
  }
}

const crowdCase = (tier: 'short' | 'full', count: number, limitMs: number, forMs: number): SecurityCase =>
  securityCase(
    `slow: ${count} slow connections, p99 of the others under ${limitMs} ms`,
    '200, in time',
    async (rig) => {
      const workerData: CrowdOptions = { port: rig.ingress.port, count, start: `${START}x-slow: ` }
      const crowd = new Worker(new URL('./slow-crowd.ts', import.meta.url), { workerData })
      let size = 0
      crowd.on('message', (open: number) => (size = open))
      try {
        const deadline = performance.now() + 10_000
        while (size < count * 0.9 && performance.now() < deadline) await sleep(20)
        if (size < count * 0.9) return `only ${size} connections`
        const { statuses, p99 } = await measure(rig, forMs)
        return `${statuses}, ${p99 < limitMs ? 'in time' : `p99 ${Math.round(p99)} ms`}`
      } finally {
        await crowd.terminate()
      }
    },
    { tier },
  )

/** `short` runs have the wide bounds only, `full` ones the promised ones too. */
export const slowRows = (): readonly SecurityCase[] => [
  ...slowCases(),
  crowdCase('short', 200, 5_000, 2_000),
  crowdCase('full', 2_000, 500, 10_000),
]
