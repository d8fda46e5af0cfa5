import type { DeadLetterKeys } from '@weir/contracts'
import type { AuditLog } from '@weir/kafka'
import type { AccessTokens, Logger, Metrics, PartitionList, Readiness } from '@weir/runtime'
import type { Approvals } from '../jobs/approvals.ts'
import type { CommandLog } from '../jobs/command-log.ts'
import type { Command } from '../jobs/job.ts'
import type { ChunkOptions } from '../jobs/job-chunk.ts'
import type { LetterReader } from '../letters/letters.ts'
import type { StateView } from '../jobs/state-view.ts'

export interface ApiOptions {
  readonly tokens: AccessTokens
  readonly approvals: Approvals
  readonly audit: Pick<AuditLog, 'write'>
  readonly letters: LetterReader
  /** What a dry run needs. */
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
