import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { folders as foldersOf } from '@weir/local-stack'
import { expect, it, onTestFinished } from 'vitest'
import { announceStart, runningStart } from './running-start.ts'

const folders = () => {
  const home = mkdtempSync(join(tmpdir(), 'weir-running-'))
  onTestFinished(() => rmSync(home, { recursive: true }))
  return foldersOf(home)
}
const SETTINGS = { KAFKA_BROKERS: '127.0.0.1:19092', REPLAY_TOKEN: 'secret', TOPIC_PARTITIONS: '4' }

it('finds a start while it runs, whose secrets only its owner can read', () => {
  const at = folders()
  expect(runningStart({}, at)).toBeUndefined()
  const withdraw = announceStart(at, SETTINGS)
  expect(runningStart({}, at)).toEqual(SETTINGS)
  expect(statSync(join(at.run, 'environment.json')).mode & 0o777).toBe(0o600)
  withdraw()
  expect(runningStart({}, at)).toBeUndefined()
})

it('does not find a killed start, even when its process id is in use again', () => {
  const at = folders()
  announceStart(at, SETTINGS)
  const file = join(at.run, 'environment.json')
  const found = JSON.parse(readFileSync(file, 'utf8')) as { process: { startedAt: string } }
  found.process.startedAt = 'before'
  writeFileSync(file, JSON.stringify(found))
  expect(runningStart({}, at)).toBeUndefined()
  writeFileSync(file, '{')
  expect(runningStart({}, at)).toBeUndefined()
})

it('an environment that names other servers means another deployment', () => {
  const at = folders()
  announceStart(at, SETTINGS)
  expect(runningStart({ KAFKA_BROKERS: 'broker-1:9092' }, at)).toBeUndefined()
  expect(runningStart({ DATABASE_URL: 'postgres://elsewhere/weir' }, at)).toBeUndefined()
  expect(runningStart({ REPLAY_URL: 'http://elsewhere' }, at)).toBeUndefined()
  expect(runningStart({ DATABASE_URL_FILE: '/run/secrets/url' }, at)).toBeUndefined()
  expect(
    runningStart({ KAFKA_BROKERS: '127.0.0.1:19092', TOPIC_PREFIX: 'x.', DATABASE_URL: '' }, at),
  ).toEqual(SETTINGS)
})
