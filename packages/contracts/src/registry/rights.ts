import { SERVICE_NAMES, serviceFacts, serviceTopics, type ServiceName } from './services.ts'
import { topicNames } from './topics.ts'

/** What a user of Kafka may do, as an entry of an access control list. */
export interface Right {
  readonly resource: 'topic' | 'group' | 'transactional id'
  readonly name: string
  /** `prefixed`: everything whose name begins so. */
  readonly pattern: 'literal' | 'prefixed'
  readonly operations: readonly ('Read' | 'Write' | 'DescribeConfigs')[]
}

/** The services that connect to Kafka. */
export const KAFKA_SERVICES = SERVICE_NAMES.filter((name) => serviceTopics(name).reads.length > 0)

/** Internal topics of the brokers: read to see whether a commit can be lost, and how a transaction ended. */
const INTERNAL = ['__consumer_offsets', '__transaction_state'] as const

/** Every right that a service needs, where `weir topics` has made the topics with rights of its own. */
export const rightsOf = (service: ServiceName, prefix = ''): readonly Right[] => {
  const { reads, writes } = serviceTopics(service)
  const { processors = {}, isAudited = false } = serviceFacts(service)
  const topics = topicNames(prefix)
  const rights: Right[] = [...new Set([...reads, ...writes])].map((role) => ({
    resource: 'topic',
    name: topics[role],
    pattern: 'literal',
    operations: [
      ...(reads.includes(role) ? (['Read'] as const) : []),
      ...(writes.includes(role) ? (['Write'] as const) : []),
      'DescribeConfigs',
    ],
  }))
  const groups = Object.keys(processors)
  for (const group of groups) {
    rights.push({ resource: 'group', name: prefix + group, pattern: 'literal', operations: ['Read'] })
  }
  for (const name of [...groups, ...(isAudited ? ['audit'] : [])].map((writer) => `${prefix}${writer}-`)) {
    rights.push({ resource: 'transactional id', name, pattern: 'prefixed', operations: ['Write'] })
  }
  if (groups.length > 0 || isAudited) {
    for (const name of INTERNAL) {
      rights.push({ resource: 'topic', name, pattern: 'literal', operations: ['Read', 'DescribeConfigs'] })
    }
  }
  return rights
}
