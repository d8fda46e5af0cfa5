import { randomUUID } from 'node:crypto'
import {
  AuditCheck,
  decodeAuditRecord,
  TOPIC_SPECS,
  topicNames,
  type AuditHead,
  type AuditRecord,
} from '@weir/contracts'
import { isolatedKafka } from '@weir/testkit'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { openAuditLog, type AuditLog } from './audit-log.ts'
import { readAuditLog } from './read-audit-log.ts'
import { openMaintenance } from './maintenance.ts'
import { silentLogger } from '../client/silent-logger.ts'
import { ensureTopics } from './topics.ts'

const settings = isolatedKafka('audit-log', 1)
const topic = topicNames(settings.topicPrefix).auditLog
const opened: AuditLog[] = []
const open = (): AuditLog => {
  const log = openAuditLog(settings, silentLogger)
  opened.push(log)
  return log
}
const entry = (what: string) => ({
  what,
  who: { service: 'replay', name: 'ann', role: 'operator', address: '192.0.2.1' },
  details: { letter: 'dedup/0/1' },
})

/** Reads again until all of `due` is in the log, because readers see a commit shortly after its acknowledgement. */
const checkedOnce = async (due: readonly string[], seen: readonly AuditHead[] = []) =>
  vi.waitFor(async () => {
    const found = await checked(seen)
    expect(found.names).toEqual(expect.arrayContaining([...due]))
    return found
  }, 20_000)

const checked = async (seen: readonly AuditHead[] = []) => {
  const check = new AuditCheck(seen)
  const names: string[] = []
  const { start } = await readAuditLog(settings, topic, {
    onRecord: (record) => {
      check.add(record.offset, record)
      names.push(decodeAuditRecord(record.value)?.what ?? '')
    },
    onUnreadable: (range) => check.addUnreadable(range),
  })
  check.end(start)
  return { check, names }
}

beforeAll(() =>
  ensureTopics({
    settings,
    logger: silentLogger,
    specs: TOPIC_SPECS.filter(({ role }) => role === 'auditLog'),
    replicationFactor: 1,
    minInsyncReplicas: 1,
  }),
)
afterAll(() => Promise.all(opened.map((log) => log.close())))

it('two processes write at the same time, and a third names both their chains', async () => {
  const [first, second] = [open(), open()]
  // Both chains have begun, so neither names the last record of the other.
  for (const log of [first, second]) await log.write(entry('begins'))
  const actions = Array.from({ length: 40 }, (_, i) => `${randomUUID()} ${i}`)
  await Promise.all(actions.map((action, i) => (i % 2 === 0 ? first : second).write(entry(action))))
  const before = await checkedOnce(actions)
  expect(before.check.faults).toEqual([])
  expect(before.names.filter((name) => actions.includes(name)).toSorted()).toEqual(actions.toSorted())
  expect(before.check.openHeads).toHaveLength(2)
  const later = randomUUID()
  await open().write(entry(later))
  const after = await checkedOnce([later], before.check.openHeads)
  expect(after.check.faults).toEqual([])
  expect(after.check.openHeads).toMatchObject([{ seq: 0 }])
}, 120_000)

it('accepts an entry right after the previous one is written', async () => {
  const log = open()
  const turns = Array.from({ length: 5 }, (_, i) => `in turn ${i}`)
  for (const turn of turns) await log.write(entry(turn))
  const { check, names } = await checkedOnce(turns)
  expect([check.faultCount, names.filter((name) => name.startsWith('in turn')).length]).toEqual([0, 5])
}, 60_000)

it('rejects entries while the brokers are away, and continues in a new chain when they return', async () => {
  const away = openAuditLog({ ...settings, kafkaBrokers: ['127.0.0.1:1'] }, silentLogger)
  await expect(away.write(entry('never'))).rejects.toThrow(/audit log cannot be written/)
  await away.close()
  const { check, names } = await checked()
  expect([check.faultCount, names.includes('never')]).toEqual([0, false])
}, 120_000)

it('a fenced writer continues in a new chain that names its old one', async () => {
  const log = open()
  await log.write(entry('before'))
  const writerOf = async (what: string) => {
    await checkedOnce([what])
    const found: AuditRecord[] = []
    await readAuditLog(settings, topic, {
      onRecord: ({ value }) => void found.push(decodeAuditRecord(value)!),
      onUnreadable: () => undefined,
    })
    return found.find((record) => record.what === what)!
  }
  const old = await writerOf('before')
  const thief = await openMaintenance({ settings, service: `audit-${old.writer}`, outputs: [topic] })
  await (await thief.claim(0)).close()
  await thief.close()
  await log.write(entry('after'))
  const later = await writerOf('after')
  expect(later.writer).not.toBe(old.writer)
  expect(later.heads).toContainEqual(expect.objectContaining({ writer: old.writer, seq: 0 }))
  const { check, names } = await checkedOnce(['after'])
  expect([check.faults, names.filter((name) => name === 'after').length]).toEqual([[], 1])
}, 120_000)
