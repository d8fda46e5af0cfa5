import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AuditCheck, decodeAuditRecord, TOPIC_SPECS, topicNames, type AuditRecord } from '@weir/contracts'
import { isolatedFolders, isolatedKafka, ownKafka, testServers } from '@weir/testkit'
import { expect, it, onTestFinished, vi } from 'vitest'
import { silentLogger } from '../client/silent-logger.ts'
import { openAuditLog } from './audit-log.ts'
import { readAuditLog } from './read-audit-log.ts'
import { ensureTopics } from './topics.ts'
import { transactionsOn } from '../testing/unverified.ts'

const shared = isolatedKafka('damaged-audit', 1)
const WHO = { service: 'replay', name: 'ann', role: 'operator', address: '192.0.2.1' }

/** Changes one character in a text of the log, as a bad disk may. All lengths stay the same. */
const damage = (stateDir: string, topic: string, text: string): void => {
  const file = join(stateDir, 'kafka', `${topic}-0`, '00000000000000000000.log')
  const bytes = readFileSync(file)
  bytes[bytes.lastIndexOf(text)]! ^= 1
  writeFileSync(file, bytes)
}

it('a damaged batch does not prevent a start: the next chain names it, and verify reports it', async ({
  skip,
}) => {
  if (testServers().services.kind === 'containers') {
    process.stderr.write("A damaged audit log is not tested: the broker's files are in a container\n")
    return skip()
  }
  const folders = isolatedFolders('damaged-audit')
  const kafka = await ownKafka(folders)
  onTestFinished(() => kafka.close())
  const settings = { ...shared, kafkaBrokers: [kafka.url] }
  const topic = topicNames(settings.topicPrefix).auditLog
  const specs = TOPIC_SPECS.filter(({ role }) => role === 'auditLog')
  await ensureTopics({ settings, logger: silentLogger, specs, replicationFactor: 1, minInsyncReplicas: 1 })

  const error = vi.fn()
  const noteIn = async (...actions: readonly string[]) => {
    const log = openAuditLog(settings, { ...silentLogger, error })
    for (const what of actions) await log.write({ what, who: WHO, details: {} })
    await log.close()
  }
  const read = async () => {
    const check = new AuditCheck()
    const records: AuditRecord[] = []
    await readAuditLog(settings, topic, {
      onRecord: (record) => {
        check.add(record.offset, record)
        records.push(decodeAuditRecord(record.value)!)
      },
      onUnreadable: (range) => check.addUnreadable(range),
    })
    return { faults: check.faults, records }
  }
  // A new broker may take longer to create its log of transactions than a note waits.
  await transactionsOn(settings, { transactionalId: 'any', groupId: 'any', topic })
  await noteIn('first', 'damaged-action', 'third')
  expect((await read()).faults).toEqual([])
  damage(folders.state, topic, 'damaged-action')

  await noteIn('fourth')
  expect(error).toHaveBeenCalledWith({ topic, from: '2', to: '2' }, 'records of the audit log cannot be read')
  await noteIn('fifth')
  const { faults, records } = await read()
  expect(records.map(({ what }) => what)).toEqual(['first', 'third', 'fourth', 'fifth'])
  expect(records[2]).toMatchObject({ seq: 0, unreadable: [{ from: '2', to: '2' }] })
  expect(faults).toMatchObject([
    { offset: '2', fault: 'offsets 2 to 2 cannot be read: a batch is damaged' },
    { fault: 'records 1 to 1 before it are missing' },
  ])
}, 120_000)
