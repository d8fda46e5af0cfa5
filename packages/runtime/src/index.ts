export * from './auth/access-tokens.ts'
export { TokenGate, type Admission } from './auth/token-gate.ts'
export * from './consumer/consumer.ts'
export { failpointsOf } from './consumer/failpoints.ts'
export * from './consumer/mass-failure.ts'
export * from './consumer/partition-list.ts'
export * from './consumer/task-error.ts'
export * from './http/ask-http.ts'
export * from './http/bounded-answers.ts'
export * from './http/health.ts'
export * from './pipeline/outcome.ts'
export * from './pipeline/pipeline.ts'
export * from './pipeline/read-webhook.ts'
export * from './service/failpoint.ts'
export * from './service/logger.ts'
export * from './service/metrics.ts'
export { once } from './service/once.ts'
export * from './service/service.ts'
export * from './settings/config.ts'
export * from './settings/dead-letter-keys.ts'
export { guessable } from './settings/guessable.ts'
export {
  RISK_SETTINGS,
  RISKS,
  refusedRisks,
  risksOf,
  takenRisks,
  type AllowedRisks,
  type RiskFinding,
  type RiskName,
} from './settings/risks.ts'
export { setting, type ConfigOf, type Setting, type Settings } from './settings/setting.ts'
export * from './settings/shared-settings.ts'
export { noteStart } from './topics/note-start.ts'
export { requireTopics } from './topics/require-topics.ts'
export {
  compareSettings,
  forgetSetting,
  publishedSettings,
  sharedLetterKeys,
  sharedSecret,
  sharedSources,
} from './topics/shared-settings.ts'
export { TopicFollower } from './topics/topic-follower.ts'
