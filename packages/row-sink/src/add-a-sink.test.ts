import { readFileSync } from 'node:fs'
import { DEAD_LETTER_STAGES, TOPIC_SPECS } from '@weir/contracts'
import { expect, it } from 'vitest'
import * as rowSink from './index.ts'
import * as testing from './testing/index.ts'

const ROOT = new URL('../../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8')
const GUIDE = read('docs/guides/add-a-sink.md')

it('the guide names what the package offers', () => {
  for (const name of ['startRowSink', 'rowSinkSettings', 'SinkUnavailableError', 'SinkFaultError']) {
    expect(GUIDE).toContain(name)
    expect(rowSink).toHaveProperty(name)
  }
  for (const name of ['ROW_SINK_CASES', 'openTcpProxy']) {
    expect(GUIDE).toContain(name)
    expect(testing).toHaveProperty(name)
  }
})

it('the sink for PostgreSQL takes the steps of the guide', () => {
  expect(read('services/persistence/package.json')).toContain('"@weir/row-sink"')
  expect(read('services/persistence/src/config.ts')).toContain('...rowSinkSettings(')
  expect(read('services/persistence/src/postgres/postgres-sink.ts')).toContain('implements RowSink')
  expect(read('services/persistence/src/start.ts')).toContain('startRowSink(')
  expect(read('services/persistence/src/testing/postgres-rows.ts')).toContain('openTcpProxy(')
  expect(read('services/persistence/src/postgres/postgres-sink.integration.test.ts')).toContain(
    'it.each(ROW_SINK_CASES)',
  )
})

it('a stage of dead letters has both of its topics without a further line', () => {
  for (const [stage, { letters, replay }] of Object.entries(DEAD_LETTER_STAGES)) {
    const topics = TOPIC_SPECS.filter(({ role }) => role === letters || role === replay)
    expect(topics.map(({ name }) => name)).toEqual([`${stage}.dlq.v1`, `${stage}.replay.v1`])
    expect(topics.every(({ coPartitioned }) => coPartitioned)).toBe(true)
  }
})
