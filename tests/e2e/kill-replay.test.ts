import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { HEADER, topicNames } from '@weir/contracts'
import { openTopicReader } from '@weir/kafka'
import { expect, it, onTestFinished } from 'vitest'
import { testServers } from '@weir/testkit'
import { Pipeline } from './pipeline.ts'
import { ReplayJobs } from './replay-jobs.ts'

const EVENTS = 800
const REFUSE_ALL = `sources: { ${['cxone', 'cognigy', 'cxone-dataaction', 'nice']
  .map((source) => `${source}: { jsonSchema: { type: object, required: [gone] } }`)
  .join(', ')} }`
/** Where the process ends in one of its transactions. */
const POINTS = ['part-sent', 'outputs-sent', 'offsets-sent', 'committed'] as const

const lettersReturned = async ({ settings }: Pipeline): Promise<string[]> => {
  const reader = await openTopicReader(settings, topicNames(settings.topicPrefix).normalizerReplay)
  const places: string[] = []
  await reader.readToEnd((records) => {
    for (const { headers } of records) places.push(headers[HEADER.replayOf]!.toString())
  })
  await reader.close()
  return places
}

it('brings each letter back once when the replay is killed in its transactions, and the stage behind it too', async ({
  skip,
}) => {
  if (testServers().services.kind === 'containers') {
    process.stderr.write('Kills within a step are not tested: process 1 of a container cannot kill itself\n')
    return skip()
  }
  const folder = mkdtempSync(join(tmpdir(), 'weir-kill-replay-'))
  const mappings = join(folder, 'mappings.yaml')
  writeFileSync(mappings, REFUSE_ALL)
  const pipeline = await Pipeline.start('kill-replay', {
    env: { MAPPINGS_FILE: mappings, NORMALIZER_MASS_FAILURE_SHARE: '1' },
  })
  onTestFinished(async () => {
    await pipeline.close()
    rmSync(folder, { recursive: true })
  })
  await pipeline.send(pipeline.plan(EVENTS))
  const before = await pipeline.examine()
  expect(before.findings).toEqual([])
  expect(before.totals).toMatchObject({ rows: 0, downstreamLetters: before.totals.unique })
  await pipeline.stop('normalizer')
  writeFileSync(mappings, '')
  await pipeline.start('normalizer')

  const replay = new ReplayJobs(pipeline)
  let job: string | undefined
  for (const point of POINTS) {
    await pipeline.start('replay', 0, { FAILPOINT: `replay.${point}:kill:3` })
    job ??= await replay.begin({ kind: 'replay', filter: { stage: 'normalizer' }, ratePerSec: 100 })
    await pipeline.died('replay')
  }
  const returned = await lettersReturned(pipeline)
  expect(returned.length).toBeGreaterThan(0)
  expect(returned.length).toBeLessThan(before.totals.unique)
  await pipeline.kill('normalizer')
  await Promise.all([pipeline.start('normalizer'), pipeline.start('replay')])
  const { state, counts } = await replay.ended(job!)
  expect({ state, ...counts }).toEqual({
    state: 'done',
    done: before.totals.unique,
    matched: before.totals.unique,
    scanned: before.totals.unique,
    guarded: 0,
    unusable: 0,
  })
  const all = await lettersReturned(pipeline)
  expect(all).toHaveLength(before.totals.unique)
  expect(new Set(all).size).toBe(all.length)
  const after = await pipeline.examine()
  expect(after.findings).toEqual([])
  expect(after.totals).toMatchObject({ rows: before.totals.unique, downstreamLetters: 0 })
})
