import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { DATABASE_USER, isRoot } from './database-place.ts'
import { databaseFolder, deleteState, folders as foldersOf, passwordFile, type Folders } from '../folders.ts'
import { freePorts } from '../processes/ports.ts'
import { startPostgres } from './postgres.ts'
import { stopOwn } from '../processes/process.ts'
import type { LocalServer } from './server.ts'

const newFolders = (mode: number): Folders => {
  const home = mkdtempSync(join(tmpdir(), 'weir-postgres-'))
  chmodSync(home, mode)
  const folders = foldersOf(home)
  onTestFinished(async () => {
    await stopOwn(folders.run)
    rmSync(home, { recursive: true })
  })
  return folders
}

const start = async (folders: Folders): Promise<LocalServer> => {
  const [port] = await freePorts(1)
  return startPostgres({ folders, port: port!, fsync: false })
}

const passwordOf = ({ url }: LocalServer): string => new URL(url).password

it.runIf(isRoot()).each([
  ['all users may enter', 0o755],
  ['only root may enter', 0o700],
])('runs without rights and keeps its data and password where %s', async (_, mode) => {
  const folders = newFolders(mode)
  const first = await start(folders)
  const status = readFileSync(`/proc/${first.pid}/status`, 'latin1')
  expect(/^Uid:\s+(.*)$/m.exec(status)![1]!.split(/\s+/)).toEqual(Array(4).fill(String(DATABASE_USER)))
  expect([...status.matchAll(/^Cap(?:Inh|Prm|Eff|Amb):\s+(\S+)/gm)].map(([, mask]) => Number(mask))).toEqual([
    0, 0, 0, 0,
  ])
  const data = statSync(databaseFolder(folders))
  expect([data.mode & 0o777, data.uid]).toEqual([0o700, DATABASE_USER])
  expect(lstatSync(databaseFolder(folders)).isSymbolicLink()).toBe(mode === 0o700)
  expect(statSync(passwordFile(databaseFolder(folders))).mode & 0o777).toBe(0o600)
  expect(passwordOf(first)).toMatch(/^[0-9a-f]{64}$/)
  await first.stop()
  const second = await start(folders)
  expect(passwordOf(second)).toBe(passwordOf(first))
  await second.stop()
  deleteState(folders)
  expect(existsSync(databaseFolder(folders))).toBe(false)
  expect(passwordOf(await start(folders))).not.toBe(passwordOf(first))
})

it('takes over data of an earlier version, with a password of its own', async () => {
  const folders = newFolders(0o755)
  const server = await start(folders)
  await server.stop()
  // Where it was, and without a file that says its password.
  mkdirSync(folders.state, { recursive: true })
  renameSync(databaseFolder(folders), join(folders.state, 'postgres'))
  rmSync(passwordFile(databaseFolder(folders)))
  const later = await start(folders)
  expect(passwordOf(later)).not.toBe(passwordOf(server))
  expect(existsSync(join(folders.state, 'postgres'))).toBe(false)
  expect(existsSync(databaseFolder(folders))).toBe(true)
})

it.runIf(isRoot())('says what to do when its data is where its user may not go', async () => {
  const folders = newFolders(0o755)
  const server = await start(folders)
  await server.stop()
  chmodSync(folders.home, 0o700)
  await expect(start(folders)).rejects.toThrow(/chmod o\+x/)
})
