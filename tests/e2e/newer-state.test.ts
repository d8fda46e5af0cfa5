import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { Pipeline } from './pipeline.ts'

/** Each file below a folder, by its path. */
const contentOf = (folder: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== 'lock')
      .map(({ parentPath, name }) => join(parentPath, name))
      .map((file) => [file, readFileSync(file, 'latin1')]),
  )

/** As a later version would write it: whole, and of a format that this one does not know. */
const makeNewer = (manifest: string): void => {
  const [, body] = readFileSync(manifest, 'utf8').split('\n')
  const newer = JSON.stringify({ ...(JSON.parse(body!) as object), format: 99 })
  writeFileSync(manifest, `${crc32(newer).toString(16).padStart(8, '0')}\n${newer}`)
}

it('refuses what a newer version has left, names it, and changes nothing in it', async () => {
  const pipeline = await Pipeline.start('newer')
  onTestFinished(() => pipeline.close())
  await pipeline.send(pipeline.plan(200))
  await pipeline.examine()

  await pipeline.stop('dedup')
  const volume = pipeline.stateDir()
  const before = contentOf(volume)
  const manifests = [...before.keys()].filter((file) => file.endsWith('/manifest'))
  expect(manifests.length).toBeGreaterThan(0)
  const kept = manifests.map((file) => [file, readFileSync(file)] as const)
  manifests.forEach(makeNewer)
  const newer = contentOf(volume)
  expect(await pipeline.refuses('dedup', 'a newer version of Weir')).toBe(1)
  expect(contentOf(volume)).toEqual(newer)

  await pipeline.stop('persistence')
  const client = new pg.Client({ connectionString: pipeline.databaseUrl })
  await client.connect()
  onTestFinished(() => client.end())
  await client.query(`INSERT INTO weir_migrations (name) VALUES ('9999-of-a-newer-version.sql')`)
  expect(await pipeline.refuses('persistence', 'a newer version of Weir')).toBe(1)

  // With what this version knows, all goes on.
  for (const [file, bytes] of kept) writeFileSync(file, bytes)
  await client.query(`DELETE FROM weir_migrations WHERE name LIKE '9999%'`)
  await Promise.all([pipeline.start('dedup'), pipeline.start('persistence')])
  await pipeline.send(pipeline.plan(200))
  const { findings, ok } = await pipeline.examine()
  expect(findings).toEqual([])
  expect(ok).toBe(true)
})
