import { drained, endWithReader } from './output.ts'
import { runProgram } from './program.ts'

endWithReader()
process.exitCode = await runProgram(process.argv.slice(2))
await drained()
// Sockets of servers that are gone may linger.
process.exit()
