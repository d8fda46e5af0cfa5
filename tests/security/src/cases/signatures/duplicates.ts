import { sha256 } from '../../journal.ts'
import type { Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { bodyOf, freshId, signedHeaders } from '../../source-under-test.ts'
import { tally } from './signature.ts'

const TIMES = 1_000

/** How often a body is on a topic. */
const countOn = async (rig: Rig, role: 'received' | 'unique', raw: Buffer): Promise<number> => {
  const hash = sha256(raw)
  return (await rig.topics.records(role)).filter(({ value }) => sha256(value!) === hash).length
}

const sendMany = async (rig: Rig, raw: Buffer): Promise<string> => {
  const { cxone } = rig.sources
  const headers = signedHeaders(cxone, raw)
  const answers = await Promise.all(
    Array.from({ length: TIMES }, () => rig.ingress.send({ path: cxone.path, headers, raw })),
  )
  return tally(answers.map(({ status }) => status))
}

/** Dedup has decided about everything that was sent before. */
const untilDecided = async (rig: Rig): Promise<void> => {
  const received = (await rig.topics.records('received')).length
  await rig.topics.until('stats', (records) => {
    const decided = records.reduce(
      (sum, { value }) => sum + (JSON.parse(value!.toString()) as { received: number }).received,
      0,
    )
    return decided >= received
  })
}

export const duplicateCases = (): readonly SecurityCase[] => [
  securityCase('replay: the same signed request 1,000 times', '200 × 1000, passed on once', async (rig) => {
    const raw = bodyOf(rig.sources.cxone)
    const statuses = await sendMany(rig, raw)
    await untilDecided(rig)
    const received = await countOn(rig, 'received', raw)
    if (received < TIMES) return `${statuses}, only ${received} with the brokers`
    const passed = await countOn(rig, 'unique', raw)
    return `${statuses}, passed on ${passed === 1 ? 'once' : `${passed} times`}`
  }),
  securityCase(
    'replay: the same signed request 1,000 times, in PostgreSQL',
    '200 × 1000, 1 row',
    async (rig) => {
      const id = freshId()
      const statuses = await sendMany(rig, bodyOf(rig.sources.cxone, { id }))
      await untilDecided(rig)
      const find = 'SELECT 1 FROM events WHERE interaction_id = $1'
      await rig.rows.untilOne(find, [id])
      return `${statuses}, ${(await rig.rows.query(find, [id])).length} row`
    },
    { tier: 'full' },
  ),
]
