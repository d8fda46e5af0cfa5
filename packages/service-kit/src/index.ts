export * from './access-tokens.ts'
export * from './ask-http.ts'
export * from './bounded-answers.ts'
export * from './config.ts'
export * from './failpoint.ts'
export { GuessLimit, type GuessLimitOptions } from './guess-limit.ts'
export { guessable } from './guessable.ts'
export * from './health.ts'
export * from './logger.ts'
export * from './metrics.ts'
export {
  RISK_SETTINGS,
  RISKS,
  refusedRisks,
  risksOf,
  takenRisks,
  type AllowedRisks,
  type RiskFinding,
  type RiskName,
} from './risks.ts'
export * from './service.ts'
export { setting, type ConfigOf, type Setting, type Settings } from './setting.ts'
export * from './shared-settings.ts'
