import { runService } from '@weir/service-kit'
import { ingress } from './index.ts'
import { start } from './start.ts'

await runService({
  ...ingress,
  start: async (config, deps) => {
    const service = await start(config, deps)
    process.on('SIGHUP', () => service.reload())
    return service
  },
})
