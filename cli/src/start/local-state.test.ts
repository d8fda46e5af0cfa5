import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deleteState, folders as foldersOf, type Folders } from '@weir/local-stack'
import type { Observer } from '@weir/observer'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadStartConfig } from '../config.ts'
import { foldersFor, localIdentity, strangeRows } from './local-state.ts'

let folders: Folders
beforeEach(() => {
  folders = foldersOf(mkdtempSync(join(tmpdir(), 'weir-state-')))
})
afterEach(() => rmSync(folders.home, { recursive: true, force: true }))

it('keeps a state for each set of given servers, so that none is compared with the data of another', () => {
  const stateFor = (env: Record<string, string>) => foldersFor(folders, loadStartConfig(env)).state
  expect(stateFor({})).toBe(folders.state)
  const sets = [
    {},
    { KAFKA_BROKERS: 'a:1' },
    { KAFKA_BROKERS: 'b:1' },
    { DATABASE_URL: 'postgres://a:1/weir' },
    { INFLUX_URL: 'http://a:1' },
  ]
  expect(new Set(sets.map(stateFor)).size).toBe(sets.length)
  expect(stateFor({ KAFKA_BROKERS: 'a:1' })).toBe(stateFor({ KAFKA_BROKERS: 'a:1', INGRESS_PORT: '3001' }))
})

it('creates secrets once, readable by their owner only, and new ones after the state was deleted', () => {
  const first = localIdentity(folders)
  expect(localIdentity(folders)).toEqual(first)
  expect(statSync(join(folders.state, 'identity.json')).mode & 0o077).toBe(0)
  const made = [...Object.values(first.secrets), ...Object.values(first.passwords)]
  expect(new Set([first.id, ...made]).size).toBe(made.length + 1)
  deleteState(folders)
  const second = localIdentity(folders)
  expect(second.id).not.toBe(first.id)
  expect(second.secrets.BODY_HASH_KEY).not.toBe(first.secrets.BODY_HASH_KEY)
})

const observing = (onTopic: number, rows: readonly [string, number][]): Observer =>
  ({
    onTopic: () => Promise.resolve(onTopic),
    rowCounts: () => Promise.resolve(new Map(rows)),
  }) as unknown as Observer

it('counts foreign rows only before the first webhook, and remembers them', async () => {
  localIdentity(folders)
  expect([...(await strangeRows(folders, observing(0, [['cxone', 3]])))]).toEqual([['cxone', 3]])
  expect([...(await strangeRows(folders, observing(9, [['cxone', 12]])))]).toEqual([['cxone', 3]])
  deleteState(folders)
  localIdentity(folders)
  expect([...(await strangeRows(folders, observing(9, [['cxone', 12]])))]).toEqual([])
})
