import { findJava, freePorts, startPostgres, startRegistry, type LocalServer } from '@weir/local-stack'
import { isolatedFolders } from '@weir/testkit'
import { beforeAll, expect, it, onTestFinished } from 'vitest'
import { PipelineProcesses } from './pipeline-processes.ts'

const folders = isolatedFolders('outages')
let java: string | undefined
let ports: readonly number[]

beforeAll(async () => {
  java = await findJava()
  ports = await freePorts(2)
})

it('waits for a database and a registry that are away, goes on when they are back, and gives nothing up', async ({
  skip,
}) => {
  if (java === undefined) {
    process.stderr.write(
      'Outages are not tested: the test has to start a registry, and there is no Java 17\n',
    )
    return skip()
  }
  const openPostgres = (): Promise<LocalServer> => startPostgres({ folders, port: ports[0]!, fsync: false })
  const openRegistry = (): Promise<LocalServer> => startRegistry({ folders, java: java!, port: ports[1]! })
  let [postgres, registry] = await Promise.all([openPostgres(), openRegistry()])
  onTestFinished(async () => {
    await Promise.all([postgres.stop(), registry.stop()])
  })
  const pipeline = await PipelineProcesses.start('outages', {
    databaseUrl: postgres.url,
    registryUrl: registry.url,
  })
  onTestFinished(() => pipeline.close())
  const { observer } = pipeline
  const simulator = await pipeline.simulate(150)
  const taken = async (more: number): Promise<void> => {
    const before = await observer.onTopic()
    await pipeline.until(async () => (await observer.onTopic()) > before + more)
  }
  await pipeline.untilTotals(({ rows }) => rows > 200)

  await postgres.stop()
  await taken(400)
  postgres = await openPostgres()
  await pipeline.untilTotals(({ rows }) => rows > 600)

  await registry.stop()
  // What runs knows its schema; what starts has to ask for it.
  await pipeline.kill('normalizer')
  await pipeline.kill('persistence')
  const started = Promise.all([pipeline.start('normalizer'), pipeline.start('persistence')])
  await taken(400)
  const { rows } = await observer.totals()
  registry = await openRegistry()
  await started
  await pipeline.untilTotals((totals) => totals.rows > rows)

  const { findings, ok, totals } = await pipeline.examine()
  const { failed, unknown } = simulator.counts()
  expect({ failed, unknown }).toEqual({ failed: 0, unknown: 0 })
  expect(findings).toEqual([])
  expect(ok).toBe(true)
  expect(totals.downstreamLetters).toBe(0)
})
