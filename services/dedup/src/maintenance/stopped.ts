import { topicNames } from '@weir/contracts'
import { openMaintenance, StateError, type KafkaSettings, type Maintenance } from '@weir/kafka'

/** Members of these groups are dedup and `weir dedup repartition`. */
const WRITTEN = ['unique', 'stats', 'duplicates', 'dedupDlq', 'received', 'dedupReplay', 'starts'] as const

export const withMaintenance = async <T>(
  settings: KafkaSettings,
  use: (maintenance: Maintenance) => Promise<T>,
): Promise<T> => {
  const topics = topicNames(settings.topicPrefix)
  const maintenance = await openMaintenance({
    settings,
    service: 'dedup',
    changelogTopic: topics.seen,
    outputs: WRITTEN.map((role) => topics[role]),
  })
  try {
    return await use(maintenance)
  } finally {
    await maintenance.close()
  }
}

/**
 * A dedup that starts later is refused by the state that it finds, or fences this tool, which then fails and changes
 * nothing more.
 */
export const requireStopped = async (maintenance: Maintenance): Promise<void> => {
  const members = await maintenance.memberCount()
  if (members === 0) return
  throw new StateError(
    `dedup runs: its group has ${members} members. Stop it; one that was killed leaves within its session timeout.`,
  )
}
