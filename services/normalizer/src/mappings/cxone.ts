import type { Mapping } from './mapping.ts'

const CHANNEL = '$.data.channelType'

const routed = {
  source: 'cxone',
  optional: ['declaredSchemaVersion'],
} as const satisfies Partial<Mapping>

const common = {
  channel: [CHANNEL],
  direction: ['$.data.direction'],
  occurredAtOriginal: ['$.timestamp'],
  declaredSchemaVersion: ['$.schemaVersion'],
}
const phone = ['$.data.customer.phoneNumber', '$.data.participants[0].phoneNumber']

export const cxoneMappings: readonly Mapping[] = [
  {
    ...routed,
    name: 'cxone voice',
    when: { path: CHANNEL, oneOf: ['voice'] },
    paths: { ...common, customerIdentifier: phone, queue: ['$.data.queue.name'] },
    constants: { customerType: 'phone' },
  },
  {
    ...routed,
    name: 'cxone chat',
    when: { path: CHANNEL, oneOf: ['chat'] },
    paths: { ...common, customerIdentifier: ['$.data.customer.email'], skill: ['$.data.skill.name'] },
    optional: ['declaredSchemaVersion', 'direction'],
    constants: { customerType: 'email' },
  },
  {
    ...routed,
    name: 'cxone sms',
    when: { path: CHANNEL, oneOf: ['sms'] },
    paths: { ...common, customerIdentifier: phone, message: ['$.data.message.body'] },
    constants: { customerType: 'phone' },
  },
  {
    name: 'cxone lean',
    source: 'cxone',
    paths: {
      channel: [CHANNEL],
      direction: ['$.direction', '$.data.direction'],
      skill: ['$.skill'],
      agentId: ['$.agentId'],
      occurredAtOriginal: ['$.timestamp'],
      declaredSchemaVersion: ['$.schemaVersion'],
    },
    optional: ['channel', 'declaredSchemaVersion'],
  },
]
