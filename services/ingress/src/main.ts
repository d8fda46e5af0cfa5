import cluster from 'node:cluster'
import { runService } from '@weir/runtime'
import { service } from './index.ts'
import { start } from './start.ts'
import { startWorkers } from './workers/first-process.ts'
import { startWorker } from './workers/worker.ts'

if (cluster.isWorker) {
  const told = Promise.withResolvers<string>()
  await runService(
    { ...service, start: (config, deps) => startWorker(config, deps, process, () => told.resolve('told')) },
    told.promise,
  )
} else {
  await runService({
    ...service,
    start: async (config, deps) => {
      const started = await (config.workers > 1 ? startWorkers : start)(config, deps)
      process.on('SIGHUP', () => started.reload())
      return started
    },
  })
}
