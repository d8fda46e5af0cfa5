import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { readTruth, TruthLedger } from './ledger.ts'

const SOURCE = 's'

it('keeps what was sent over a kill: a torn line is left out, an unanswered request is unknown', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-truth-'))
  try {
    const ledger = TruthLedger.open(folder, 'run')
    const event = { source: SOURCE, kind: 'event' as const, eventKey: 'k', rawHash: 'h' }
    const [first, second] = ledger.intend([event, { ...event, rawHash: 'i' }])
    ledger.finish(second!, 'acked')
    expect(readTruth(folder).map(({ result }) => result)).toEqual(['unknown', 'unknown'])
    ledger.flush()
    appendFileSync(join(folder, readdirSync(folder)[0]!), `["result","${first!}","ack`)
    expect(readTruth(folder).map(({ result }) => result)).toEqual(['unknown', 'acked'])
    ledger.close()
    const again = TruthLedger.open(folder, 'other')
    again.intend([event])
    again.close()
    expect(readTruth(folder)).toHaveLength(3)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

it('reads more than one piece of a file, whatever a piece ends in', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-truth-'))
  try {
    const ledger = TruthLedger.open(folder, 'run')
    const operations = Array.from({ length: 20_000 }, (_, index) => ({
      source: 'sün',
      kind: 'event' as const,
      eventKey: `k${index}`,
      rawHash: 'h'.repeat(64),
    }))
    for (const id of ledger.intend(operations)) ledger.finish(id, 'acked')
    ledger.close()
    expect(readTruth(folder)).toEqual(operations.map((one) => ({ ...one, result: 'acked' })))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})
