import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readLines } from '@weir/oracle'
import type { Fault, Lane } from '../plan/step.ts'

/** What a service says when it has written the marker of a transaction that brokers had left open. */
const ENDED = 'a transaction that the brokers had not ended was ended'

const OF_BROKERS: readonly Fault['kind'][] = [
  ...(['broker-kill', 'brokers-pause', 'leader-kill-alone', 'cut', 'clock-step', 'disk-full'] as const),
]

/** Brokers leave a transaction open only when a partition has lost every replica for a while. */
export const canLeaveOpen = (lanes: readonly Lane[]): boolean =>
  lanes.some(({ steps }) => steps.some(({ kind }) => OF_BROKERS.includes(kind)))

/**
 * What is wrong with a line of a log; undefined: nothing. While no broker fails, whoever ends a transaction ends a live
 * one.
 */
export const alarmOf = (line: string, brokersFail: boolean): string | undefined =>
  !brokersFail && line.includes(ENDED) ? line.slice(0, 300) : undefined

/** Lines of the services' logs that alone prove a fault, with the log's name. */
export const alarmsIn = async (folder: string, brokersFail: boolean): Promise<readonly string[]> => {
  const found: string[] = []
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.log'))) {
    for await (const lines of readLines(join(folder, name))) {
      for (const line of lines) {
        const alarm = alarmOf(line, brokersFail)
        if (alarm !== undefined) found.push(`${name}: ${alarm}`)
      }
    }
  }
  return found
}
