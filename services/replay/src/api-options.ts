import type { DeadLetterKeys } from '@weir/contracts'
import type { AuditLog } from '@weir/kafka'
import type { AccessTokens, Logger, Metrics, PartitionList, Readiness } from '@weir/runtime'
import type { Approvals } from './approvals.ts'
import type { CommandLog } from './command-log.ts'
import type { Command } from './job.ts'
import type { ChunkOptions } from './job-chunk.ts'
import type { LetterReader } from './letters.ts'
import type { StateView } from './state-view.ts'

export interface ApiOptions {
  readonly tokens: AccessTokens
  readonly approvals: Approvals
  readonly audit: Pick<AuditLog, 'write'>
  readonly letters: LetterReader
  /** With which a dry run is made. */
  readonly returning: ChunkOptions
  readonly state: StateView
  readonly commands: CommandLog
  readonly keys: DeadLetterKeys | undefined
  readonly send: (command: Command, id: string) => Promise<void>
  readonly readiness: Readiness
  readonly partitions: PartitionList
  readonly metrics: Metrics
  readonly logger: Logger
}
