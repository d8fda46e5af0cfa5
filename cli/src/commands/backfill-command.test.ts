import { expect, it } from 'vitest'
import { BackfillBar, describeBackfilled } from './backfill-command.ts'

const shown = (isTTY: boolean, shares: readonly number[]): string => {
  let text = ''
  const bar = new BackfillBar({ isTTY, write: (more) => (text += more) })
  for (const share of shares) bar.show({ share, lookedAt: 1_000 * share, filled: 10 * share })
  bar.end()
  return text
}

it('S3-04 shows one bar on a terminal, and a line for each tenth elsewhere', () => {
  const shares = Array.from({ length: 1_001 }, (_, i) => i / 1_000)
  expect(shown(false, shares).trim().split('\n')).toHaveLength(11)
  expect(shown(false, shares)).toContain(
    '[###############---------------] 50% rows examined 500   to fill 5\n',
  )
  const terminal = shown(true, shares)
  expect(terminal.match(/\r/g)).toHaveLength(101)
  expect(terminal.match(/\n/g)).toHaveLength(1)
  expect(shown(true, [])).toBe('')
})

it('S3-04 reports the result of a backfill, and what to do', () => {
  const of = (kind: 'done' | 'stopped', dryRun = false) =>
    describeBackfilled({ kind, lookedAt: 9, filled: 3 }, { source: 's', dryRun })
  expect(of('done')).toEqual({ text: '9 rows examined, 3 of s were filled', code: 0 })
  expect(of('done', true)).toEqual({ text: '9 rows examined, 3 of s lack something', code: 0 })
  expect(of('stopped')).toMatchObject({ text: expect.stringContaining('it continues') as string, code: 1 })
  expect(describeBackfilled({ kind: 'busy' }, { source: 's', dryRun: false }).code).toBe(1)
  expect(describeBackfilled({ kind: 'unknown' }, { source: 's', dryRun: false }).text).toMatch(
    /weir schema ls/,
  )
})
