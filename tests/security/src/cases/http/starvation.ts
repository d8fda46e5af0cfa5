import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { BODY_BYTES_MAX, type Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { bodyOf, signedHeaders } from '../../source-under-test.ts'
import type { CrowdOptions } from './slow-crowd.ts'

/** More than the default bound on arriving bytes holds. */
const CROWD = 400
const FOR_MS = 4_000
const GAP_MS = 25
const RATIO_MIN = 0.9

/** How many requests of an honest source get 200 in `FOR_MS`, and what the others get. */
const honest = async ({ ingress, sources: { strict } }: Rig) => {
  const endAt = performance.now() + FOR_MS
  const pending: Promise<number>[] = []
  for (let n = 0; n < FOR_MS / GAP_MS && performance.now() < endAt; n++) {
    const raw = bodyOf(strict)
    const sent = ingress.send({ path: strict.path, headers: signedHeaders(strict, raw), raw })
    pending.push(sent.then(({ status }) => status))
    await sleep(GAP_MS)
  }
  const statuses = await Promise.all(pending)
  return { good: statuses.filter((status) => status === 200).length, kinds: new Set(statuses) }
}

/** A head with a wrong signature, and all of the largest body but its end: what is refused comes again at once. */
const slowBody = (): string => {
  const head = [
    'POST /webhooks/nice HTTP/1.1',
    'host: weir',
    'content-type: application/json',
    `x-nice-signature: ${'0'.repeat(64)}`,
    `content-length: ${BODY_BYTES_MAX}`,
  ]
  return `${head.join('\r\n')}\r\n\r\n${' '.repeat(BODY_BYTES_MAX - 1_024)}`
}

/** One source at full force: its large bodies do not end, and have wrong signatures. Another source must not notice. */
export const starvationCases = (): readonly SecurityCase[] => [
  securityCase(
    `starvation: ${CROWD} large slow bodies with wrong signatures of one source, again and again`,
    `other source 200, at least ${RATIO_MIN} of its answers without them`,
    async (rig) => {
      const calm = await honest(rig)
      const workerData: CrowdOptions = { port: rig.ingress.port, count: CROWD, start: slowBody() }
      const crowd = new Worker(new URL('./slow-crowd.ts', import.meta.url), { workerData })
      try {
        // The first report: it is under way.
        await new Promise((resolve) => crowd.once('message', resolve))
        const attacked = await honest(rig)
        const kinds = [...attacked.kinds].sort().join(' and ')
        const ratio = attacked.good / calm.good
        const share = ratio >= RATIO_MIN ? `at least ${RATIO_MIN}` : ratio.toFixed(2)
        return `other source ${kinds}, ${share} of its answers without them`
      } finally {
        await crowd.terminate()
      }
    },
  ),
]
