import fc from 'fast-check'
import { expect, it } from 'vitest'
import { AuditCheck, decodeAuditRecord, encodeAuditRecord, type AuditHead } from './audit-log.ts'
import type { WireRecord } from './wire.ts'

const WHO = { service: 'replay', name: 'ann', role: 'operator', address: '192.0.2.1' }

/** Writes as processes do: 0 to 3 go on, or a new one starts and names the ends that it sees. */
const logOf = (steps: readonly number[]): WireRecord[] => {
  const log: WireRecord[] = []
  const writers: { id: string; seq: number; previous: string | null; heads: readonly AuditHead[] }[] = []
  for (const step of steps) {
    let writer = writers.at(-1 - step)
    if (writer === undefined) {
      writer = { id: `writer-${writers.length}`, seq: 0, previous: null, heads: checked(log).openHeads }
      writers.push(writer)
    }
    const { id, seq, previous, heads } = writer
    const facts = { writer: id, seq, at: log.length, previous, ...(seq === 0 && { heads }) }
    const entry = { what: 'letter.show', who: WHO, details: { place: `dedup/0/${log.length}` } }
    const { record, hash } = encodeAuditRecord({ ...facts, ...entry })
    log.push(record)
    Object.assign(writer, { seq: seq + 1, previous: hash })
  }
  return log
}

const checked = (log: readonly WireRecord[], seen: readonly AuditHead[] = []): AuditCheck => {
  const check = new AuditCheck(seen)
  log.forEach((record, offset) => check.add(BigInt(offset), record))
  check.end()
  return check
}

const steps = fc.array(fc.constantFrom(0, 0, 0, 1, 1, 2, 3), { minLength: 2, maxLength: 40 })
const writerOf = ({ key }: WireRecord): string => key.toString()

it('finds no fault in the records of one or several writers', () => {
  fc.assert(
    fc.property(steps, (of) => {
      const check = checked(logOf(of))
      expect([check.faults, check.recordCount]).toEqual([[], of.length])
    }),
  )
})

it('finds each removed record, unless it is the end of a chain that no record has named', () => {
  fc.assert(
    fc.property(steps, fc.nat(), (of, pick) => {
      const log = logOf(of)
      const at = pick % log.length
      const open = checked(log).openHeads
      const isOpenEnd =
        log.findLastIndex((one) => writerOf(one) === writerOf(log[at]!)) === at &&
        open.some(({ writer }) => writer === writerOf(log[at]!))
      const cut = log.toSpliced(at, 1)
      expect(checked(cut).faultCount > 0).toBe(!isOpenEnd)
      // What an earlier check has printed finds that too.
      expect(checked(cut, open).faultCount).toBeGreaterThan(0)
    }),
  )
})

it('finds each changed record, even with a recomputed hash, unless the record is an open end', () => {
  fc.assert(
    fc.property(steps, fc.nat(), fc.boolean(), (of, pick, isHashed) => {
      const log = logOf(of)
      const at = pick % log.length
      const text = log[at]!.value!.toString().replace('"ann"', '"eve"')
      const record = JSON.parse(text) as Parameters<typeof encodeAuditRecord>[0]
      const changed = isHashed ? encodeAuditRecord(record).record : { ...log[at]!, value: Buffer.from(text) }
      const { openHeads } = checked(log)
      const isOpenEnd = openHeads.some(({ writer, seq }) => writer === record.writer && seq === record.seq)
      const tampered = log.with(at, changed)
      if (!isHashed || !isOpenEnd) expect(checked(tampered).faultCount).toBeGreaterThan(0)
      expect(checked(tampered, openHeads).faultCount).toBeGreaterThan(0)
    }),
  )
})

it('finds records of a writer that were reordered, repeated or inserted', () => {
  fc.assert(
    fc.property(steps, fc.nat(), (of, pick) => {
      const log = logOf(of)
      const at = pick % log.length
      const again = log[at]!
      expect(checked([...log, again]).faultCount).toBeGreaterThan(0)
      const garbage = { ...again, value: Buffer.from('{"what":1}') }
      expect(checked(log.toSpliced(at, 0, garbage)).faultCount).toBeGreaterThan(0)
      const next = log.findIndex((one, i) => i > at && writerOf(one) === writerOf(again))
      if (next > 0) expect(checked(log.with(at, log[next]!).with(next, again)).faultCount).toBeGreaterThan(0)
    }),
  )
})

it('finds that the beginning of the log is missing', () => {
  expect(checked(logOf([0, 0, 0]).slice(1)).faults).toMatchObject([
    { offset: '0', fault: 'records 0 to 0 before it are missing' },
  ])
})

it('reports a foreign record as a fault, whatever its fields are, and continues after it', () => {
  const log = logOf([3, 0, 3, 1])
  const [whole] = logOf([3])
  const good = JSON.parse(whole!.value!.toString()) as Record<string, unknown>
  const other = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>(null, [], {}, [null], [5], [{}], 1e300, -1, '', true, undefined),
  )
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(good)), other, fc.nat(log.length), (field, value, at) => {
      const foreign = Buffer.from(JSON.stringify({ ...good, writer: 'foreign', [field]: value }))
      const check = checked(log.toSpliced(at, 0, { ...whole!, value: foreign }))
      expect(check.recordCount).toBe(log.length + 1)
      expect(check.faultCount).toBeGreaterThan(0)
      const record = decodeAuditRecord(foreign)
      // What `weir audit-log ls` does with it.
      if (record) expect([new Date(record.at).toISOString(), record.who.name]).toHaveLength(2)
    }),
    { numRuns: 1_000 },
  )
})

it('finds a record with the key of another writer, or without a key', () => {
  const log = logOf([0, 0, 0])
  for (const key of [Buffer.from('other'), null as unknown as Buffer]) {
    expect(checked(log.with(1, { ...log[1]!, key })).faults).toMatchObject([
      { fault: 'record 1 has the key of another writer: it was changed' },
    ])
  }
})

it('gives the next writer only the latest ends, as many as a record can hold', () => {
  const check = new AuditCheck()
  for (let i = 0; i < 5_000; i++) {
    const facts = { writer: `invented-${i}`, seq: 0, at: 1, previous: null }
    check.add(BigInt(i), encodeAuditRecord({ ...facts, what: 'x', who: WHO, details: {} }).record)
  }
  expect([check.openHeads.length, check.headsToName.length]).toEqual([5_000, 1_000])
  expect(check.headsToName.at(-1)?.writer).toBe('invented-4999')
})
