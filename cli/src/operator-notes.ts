import { hostname, userInfo } from 'node:os'
import type { AuditActor } from '@weir/contracts'
import { openAuditLog, RetriableError, type KafkaSettings } from '@weir/kafka'
import { createLogger } from '@weir/runtime'

/** The operating system user who runs the command, and the machine. */
export const localActor = (): AuditActor => ({
  service: 'weir',
  name: userName(),
  role: 'local',
  address: hostname(),
})

const userName = (): string => {
  try {
    return userInfo().username
  } catch {
    // The user id of a container may have no name.
    return `uid ${process.getuid?.() ?? '?'}`
  }
}

/** `name@host`, which is stored beside what the user has changed. */
export const operatorName = (): string => {
  const { name, address } = localActor()
  return `${name}@${address}`
}

/** Writes to the audit log what a command is about to do. */
export type Note = (what: string, details: Readonly<Record<string, unknown>>) => Promise<void>

/**
 * Runs a command that changes something directly, not through replay or the console, with its own chain in the audit
 * log. `note` rejects when the brokers have not acknowledged the note; the command must then not act.
 */
export const withNotes = async <T>(settings: KafkaSettings, run: (note: Note) => Promise<T>): Promise<T> => {
  const log = openAuditLog(settings, createLogger('weir', 'silent'))
  const note: Note = async (what, details) => {
    try {
      await log.write({ what, who: localActor(), details })
    } catch (error) {
      if (!(error instanceof RetriableError)) throw error
      throw new RetriableError(
        `${what} is refused, because ${settings.topicPrefix}audit.log.v1 cannot note it (${reasonOf(error)}). ` +
          'Nothing was changed by it. Check KAFKA_BROKERS and that its user may write there; `weir topics` creates the topic',
        { cause: error },
      )
    }
  }
  try {
    return await run(note)
  } finally {
    await log.close()
  }
}

/** Notes one action, then does it. */
export const noted = <T>(
  settings: KafkaSettings,
  what: string,
  details: Readonly<Record<string, unknown>>,
  act: () => Promise<T>,
): Promise<T> =>
  withNotes(settings, async (note) => {
    await note(what, details)
    return act()
  })

const reasonOf = ({ cause, message }: Error): string => (cause instanceof Error ? cause.message : message)
