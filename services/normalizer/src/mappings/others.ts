import type { Mapping } from './mapping.ts'

export const cognigyMapping: Mapping = {
  name: 'cognigy intent',
  source: 'cognigy',
  paths: {
    intent: ['$.intent'],
    sessionId: ['$.sessionId'],
    userId: ['$.userId'],
    occurredAtOriginal: ['$.timestamp'],
  },
  constants: { channel: 'bot' },
}

/** Its shape drifts: what no path names is kept under `attributes`. */
export const dataActionMapping: Mapping = {
  name: 'cxone data action',
  source: 'cxone-dataaction',
  paths: {
    occurredAtOriginal: ['$.timestamp'],
    declaredSchemaVersion: ['$.schemaVersion'],
    dataActionId: ['$.dataActionId'],
  },
  optional: ['occurredAtOriginal', 'declaredSchemaVersion', 'dataActionId'],
}

export const niceMapping: Mapping = {
  name: 'nice data action update',
  source: 'nice',
  paths: {
    dataActionId: ['$.dataActionId'],
    occurredAtOriginal: ['$.updatedTimestamp'],
    declaredSchemaVersion: ['$.schemaVersion'],
  },
  optional: ['declaredSchemaVersion'],
}
