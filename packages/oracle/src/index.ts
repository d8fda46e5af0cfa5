export type { OracleReport } from './conclude.ts'
export { cannotConsult, consult, type ConsultOptions } from './consult.ts'
export { describeReport } from './describe.ts'
export type { OracleInflux } from './influx.ts'
