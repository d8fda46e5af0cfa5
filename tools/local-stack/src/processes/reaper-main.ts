// Holds the reading end of a pipe from the process that started it. When that process is gone, by whatever
// signal, the pipe ends, and what it started is stopped.
import { stopLeftovers } from './leftovers.ts'

const [runDir = '', ownerPid = ''] = process.argv.slice(2)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined)
process.stdin.resume()
process.stdin.once('close', () => {
  void stopLeftovers(runDir, (file) => file.owner.pid === Number(ownerPid)).then(() => process.exit(0))
})
