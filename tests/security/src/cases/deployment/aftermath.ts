import { HEADER, type TopicRole } from '@weir/contracts'
import { sha256 } from '../../journal.ts'
import type { Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'

const TOPICS: readonly TopicRole[] = ['received', 'unique', 'duplicates', 'dedupDlq', 'normalizerDlq']
/** 200 and 400 follow a produce, 503 may. */
const MAY_BE_KEPT = new Set([0, 200, 400, 503])

const bodiesOn = async (rig: Rig, role: TopicRole): Promise<ReadonlySet<string>> =>
  new Set((await rig.topics.records(role)).map(({ value }) => sha256(value!)))

/** What must hold of the whole run; runs last. */
export const aftermathCases = (): readonly SecurityCase[] => [
  securityCase('after all: statuses of 500 and above but for 503', 'none', ({ journal }) => {
    const seen = journal.entries
      .filter(({ status }) => status >= 500 && status !== 503)
      .map(({ status }) => status)
    return Promise.resolve(seen.length === 0 ? 'none' : [...new Set(seen)].join(' '))
  }),
  securityCase('after all: 2xx answers whose event is not with the brokers', 'none', async (rig) => {
    const records = await rig.topics.records('received')
    const keys = new Set(records.map(({ headers }) => headers[HEADER.eventKey]!.toString('hex')))
    const lost = rig.journal.entries.filter(({ eventKey }) => eventKey !== undefined && !keys.has(eventKey))
    return lost.length === 0 ? 'none' : String(lost.length)
  }),
  securityCase('after all: refused bodies on any topic', 'none', async (rig) => {
    const { entries } = rig.journal
    const allowed = new Set(
      entries.filter(({ status }) => MAY_BE_KEPT.has(status)).map(({ sentHash }) => sentHash),
    )
    const refused = entries.filter(({ sentHash }) => !allowed.has(sentHash)).map(({ sentHash }) => sentHash)
    const found: string[] = []
    for (const role of TOPICS) {
      const bodies = await bodiesOn(rig, role)
      const hits = refused.filter((hash) => bodies.has(hash)).length
      if (hits > 0) found.push(`${role} ${hits}`)
    }
    return found.length === 0 ? 'none' : found.join(', ')
  }),
  securityCase('after all: errors in the logs of Weir', 'none', (rig) => {
    const lines = [...rig.logs()]
      .filter(([file]) => /^(?:ingress|dedup|normalizer|persistence)\.log/.test(file))
      .flatMap(([file, text]) => text.split('\n').map((line) => [file, line] as const))
      // A warning may name an error: a transaction that met the stopped broker is given up and begun again.
      .filter(([, line]) => /"level":(?:50|60)|^\s+at |^[^{].*Error:/.test(line))
    return Promise.resolve(
      lines.length === 0
        ? 'none'
        : lines
            .slice(0, 3)
            .map((one) => one.join(': '))
            .join(' | '),
    )
  }),
]
