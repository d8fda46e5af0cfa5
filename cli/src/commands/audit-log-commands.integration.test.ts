import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TOPIC_SPECS, topicNames } from '@weir/contracts'
import { ensureTopics, openAuditLog, openLanes } from '@weir/kafka'
import { createLogger } from '@weir/runtime'
import { isolatedKafka } from '@weir/testkit'
import { afterEach, expect, it, vi } from 'vitest'
import { runProgram } from '../program.ts'

const settings = isolatedKafka('audit-commands', 1)
const logger = createLogger('test', 'silent')
const topic = topicNames(settings.topicPrefix).auditLog

afterEach(() => vi.unstubAllEnvs())

const run = async (...args: string[]) => {
  let out = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => ((out += String(text)), true))
  process.exitCode = 0
  const code = await runProgram(['audit-log', ...args])
  process.exitCode = 0
  vi.restoreAllMocks()
  return { code, out }
}

it('lists the log, verifies it, and exits with 1 after a record was inserted', async () => {
  vi.stubEnv('KAFKA_BROKERS', settings.kafkaBrokers.join(','))
  vi.stubEnv('TOPIC_PREFIX', settings.topicPrefix)
  vi.stubEnv('WEIR_PROFILE', 'dev')
  const replicas = { replicationFactor: 1, minInsyncReplicas: 1 }
  await ensureTopics({ settings, logger, specs: TOPIC_SPECS, ...replicas })
  const log = openAuditLog(settings, logger)
  for (const name of ['ann', 'bob']) {
    const who = { service: 'replay', name, role: 'operator', address: '192.0.2.1' }
    await log.write({ what: 'letter.show', who, details: { letter: 'dedup/0/1' } })
  }
  await log.close()
  const rows = JSON.parse((await run('ls', '--who', 'bob', '--json')).out) as object[]
  expect(rows).toMatchObject([{ what: 'letter.show', name: 'bob', details: { letter: 'dedup/0/1' } }])
  const whole = await run('verify', '--json')
  expect(whole.code).toBe(0)
  const seen = join(mkdtempSync(join(tmpdir(), 'weir-audit-')), 'heads.json')
  writeFileSync(seen, whole.out)
  expect((await run('verify', '--seen', seen)).code).toBe(0)
  writeFileSync(seen, whole.out.replace(/"seq": 1/, '"seq": 2'))
  expect(await run('verify', '--seen', seen)).toMatchObject({
    code: 1,
    out: expect.stringMatching(/record 2, which an earlier check has seen, is missing/) as string,
  })
  const lanes = await openLanes({
    settings: { ...settings, topicPartitions: 1 },
    logger,
    topic,
    lingerMs: 0,
    deadlineMs: 10_000,
    batchRecordsMax: 1,
    batchBytesMax: 10_000,
    queueBytesMax: 10_000,
  })
  await lanes.send(0, { key: Buffer.from('x'), value: Buffer.from('{"what":"nothing"}'), headers: {} })
  await lanes.close()
  expect(await run('verify')).toMatchObject({ code: 1, out: expect.stringMatching(/inserted/) as string })
  expect((await run('ls', '--limit', '0')).code).toBe(2)
}, 120_000)
