import { drained, endWithReader } from './output.ts'
import { runProgram } from './program.ts'

endWithReader()
process.exitCode = await runProgram(process.argv.slice(2))
await drained()
// Sockets to stopped servers may linger and would keep the process alive.
process.exit()
