import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { rowEvent } from '@weir/row-sink/testing'
import { COLUMNS, parametersOf } from './columns.ts'

const FOLDER = new URL('migrations/', import.meta.url)
const SQL = readdirSync(FOLDER)
  .sort()
  .map((name) => readFileSync(new URL(name, FOLDER), 'utf8'))
  .join('\n')

/** Names and types of a table's columns, as the migrations make them. */
const columnsOf = (table: string): ReadonlyMap<string, string> => {
  const created = new RegExp(`CREATE TABLE ${table} \\(\n([^]*?)\n\\);`).exec(SQL)?.[1] ?? ''
  const added = SQL.matchAll(new RegExp(`ALTER TABLE ${table} ADD COLUMN (\\w+) ([\\w\\[\\]]+)`, 'g'))
  return new Map([
    ...[...created.matchAll(/^ {2}([a-z_]+) ([\w[\]]+)/gm)].map(([, name, type]) => [name!, type!] as const),
    ...[...added].map(([, name, type]) => [name!, type!] as const),
  ])
}

it('the migrations make each column, with its type, in every table that has it', () => {
  const events = columnsOf('events')
  const interactions = columnsOf('interactions')
  for (const { name, type, expression, isLatest } of COLUMNS) {
    expect([name, events.get(name)]).toEqual([name, expression === undefined ? type : `${type}[]`])
    expect([name, interactions.get(name)]).toEqual([name, isLatest ? type : undefined])
  }
  expect([...events.keys()].filter((name) => !COLUMNS.some((column) => column.name === name))).toEqual([
    'stored_at',
  ])
})

it('gives each column one value for each event', () => {
  const events = [rowEvent('a', { partsMissing: ['queue', 'skill'] }), rowEvent('b', { occurredAt: 1 })]
  const values = new Map(parametersOf(events).map((column, index) => [COLUMNS[index]!.name, column]))
  expect(values.get('parts_missing')).toEqual(['queue,skill', ''])
  expect(values.get('occurred_at')).toEqual([null, '1970-01-01T00:00:00.001000Z'])
  expect(values.get('event_key')).toEqual(events.map(({ eventKey }) => Buffer.from(eventKey, 'hex')))
  for (const column of values.values()) expect(column).toHaveLength(2)
})
