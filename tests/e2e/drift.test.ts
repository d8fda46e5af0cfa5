import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ROOT } from '@weir/local-stack'
import pg from 'pg'
import { expect, it, onTestFinished } from 'vitest'
import { Pipeline } from './pipeline.ts'
import { ReplayJobs } from './replay-jobs.ts'

const EVENTS = 4_000

/** One source holds what it does not know, one supports four of five versions, one has a schema that drift breaks. */
const STRICT = `
sources:
  cxone-dataaction: { unknownFields: reject }
  cxone: { schemaVersions: ['1', '2', '3', '4'] }
  nice: { jsonSchema: { type: object, properties: { payload: { type: object } }, required: [payload] } }
`
const DECIDED = ['unsupported_schema_version', 'schema_violation', 'unknown_field'] as const

const weir = (pipeline: Pipeline, ...args: string[]) =>
  promisify(execFile)(process.execPath, [join(ROOT, 'cli/src/main.ts'), ...args], {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...pipeline.env },
  })

interface Shape {
  readonly source: string
  readonly eventType: string
  readonly version: number
  readonly fingerprint: string
}

/** Rows in an order of their own, as one text, without what is filled after the write when a field becomes known. */
const rowsOf = async (databaseUrl: string): Promise<string> => {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const { rows } = await client.query<{ all: string }>(
    `SELECT md5(string_agg((to_jsonb(e) - '{attributes,schema_version_number}'::text[])::text, '|' ORDER BY event_key))
       AS all FROM events e`,
  )
  await client.end()
  return rows[0]!.all
}

it('S3-04 keeps every event of a drifting day, as a row or a dead letter, and after approval and replay none is missing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-drift-'))
  const mappings = join(folder, 'mappings.yaml')
  writeFileSync(mappings, STRICT)
  const pipeline = await Pipeline.start('drift', { env: { SIMULATOR_DRIFT: '0.5', MAPPINGS_FILE: mappings } })
  onTestFinished(async () => {
    await pipeline.close()
    rmSync(folder, { recursive: true })
  })
  await pipeline.start('replay')
  const replay = new ReplayJobs(pipeline)
  const letters = { stage: 'normalizer' } as const
  await pipeline.send(pipeline.plan(EVENTS))
  const drifted = await pipeline.examine()
  expect(drifted.findings).toEqual([])
  const held = drifted.totals.downstreamLetters
  expect(drifted.totals.unique).toBe(drifted.totals.rows + held)
  for (const reason of DECIDED) expect(await replay.count({ ...letters, reason })).toBeGreaterThan(5)

  // Every shape gets its number, after the rows are written, and two shapes of one event type can be compared.
  const ofType = (shapes: readonly Shape[]) => [
    ...Map.groupBy(shapes, ({ source, eventType }) => `${source} ${eventType}`).values(),
  ]
  let shapes: Shape[] = []
  await pipeline.until(async () => {
    const { stdout } = await weir(pipeline, 'schema', 'ls', '--json')
    // Version 0 is that of all shapes of a storm of keys together.
    shapes = (JSON.parse(stdout) as Shape[]).filter(({ version }) => version !== 0)
    return (
      shapes.some(({ source }) => source === 'cxone-dataaction') &&
      ofType(shapes).some(({ length }) => length > 1)
    )
  })
  for (const group of ofType(shapes)) {
    // A shape that brings nothing new has the number of the shapes before it.
    const numbers = [...new Set(group.map(({ version }) => version))].sort((one, other) => one - other)
    expect(numbers).toEqual(numbers.map((_, index) => index + 2))
  }
  const [one, other] = ofType(shapes).find(({ length }) => length > 1) as [Shape, Shape]
  expect((await weir(pipeline, 'schema', 'diff', one.fingerprint, other.fingerprint)).stdout).toMatch(
    /^[+-] /m,
  )
  const known = shapes.find(({ source }) => source === 'cxone-dataaction')!.fingerprint

  // One shape is approved, and exactly its letters come back.
  const waiting = await replay.letters({ ...letters, reason: 'unknown_field' })
  const fingerprints = [...Map.groupBy(waiting, ({ fingerprint }) => fingerprint as string)]
  const [fingerprint, ofShape] = fingerprints.sort(([, a], [, b]) => b.length - a.length)[0]!
  const { stdout: heldShapes } = await weir(pipeline, 'schema', 'ls', '--held', '--json')
  expect(JSON.parse(heldShapes)).toContainEqual(
    expect.objectContaining({ source: 'cxone-dataaction', fingerprint, letters: ofShape.length }),
  )
  expect((await weir(pipeline, 'schema', 'diff', known, fingerprint)).stdout).toMatch(/^[+-] /m)
  const foreign = weir(pipeline, 'schema', 'approve', 'cxone', fingerprint)
  await expect(foreign).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/has no shape/) as string,
  })
  await weir(pipeline, 'schema', 'approve', 'cxone-dataaction', fingerprint)
  await pipeline.untilTotals(({ rows }) => rows === drifted.totals.rows + ofShape.length)
  expect(await replay.count({ ...letters, status: 'replayed' })).toBe(ofShape.length)

  // A shape that is not approved fails again: as one letter, whatever was replayed.
  const others = await replay.count({ ...letters, reason: 'unknown_field' })
  expect((await replay.replay({ ...letters, reason: 'unknown_field' })).counts.done).toBe(others)
  const refused = await pipeline.examine()
  expect(refused.findings).toEqual([])
  expect(refused.totals.downstreamLetters).toBe(held - ofShape.length)

  // The rules are corrected.
  await pipeline.stop('normalizer')
  writeFileSync(mappings, '')
  await pipeline.start('normalizer')
  expect((await replay.replay(letters)).counts).toMatchObject({
    done: held - ofShape.length,
    guarded: 0,
    unusable: 0,
  })
  const replayed = await pipeline.examine()
  expect(replayed.findings).toEqual([])
  expect(replayed.totals).toMatchObject({ downstreamLetters: 0, rows: drifted.totals.unique })

  // Twice replayed is the same: nothing is pending, and what is forced back changes no row.
  const before = await rowsOf(pipeline.databaseUrl)
  expect((await replay.replay(letters)).counts.matched).toBe(0)
  const forced = await replay.replay({ ...letters, status: 'any' })
  expect(forced.counts.done).toBeGreaterThanOrEqual(held)
  const twice = await pipeline.examine()
  expect(twice.findings).toEqual([])
  expect(twice.ok).toBe(true)
  expect(await rowsOf(pipeline.databaseUrl)).toBe(before)
})
