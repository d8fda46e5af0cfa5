import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readLines } from '@weir/oracle'

/** What no process may ever say: it has decided about a transaction whose owner was still at work. */
const OWNER_LIVED = 'a transaction was ended while its owner lived'

/** Lines of the services' logs that alone prove a fault, with the log's name. */
export const alarmsIn = async (folder: string): Promise<readonly string[]> => {
  const found: string[] = []
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.log'))) {
    for await (const lines of readLines(join(folder, name))) {
      for (const line of lines) if (line.includes(OWNER_LIVED)) found.push(`${name}: ${line.slice(0, 300)}`)
    }
  }
  return found
}
