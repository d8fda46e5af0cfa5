import { audit, readTruth, type AuditReport } from '@weir/truth'
import { drain, type Drained, type DrainOptions } from './drain.ts'
import type { Observer } from './observer.ts'

export interface Examination extends Drained {
  readonly report: AuditReport
  /** Every reason why it is not `ok`, the first of each kind, for a person. */
  readonly findings: readonly string[]
  /** Every event is where it must be, once, and the counts add up. */
  readonly ok: boolean
}

/** Waits until what was sent has come to its end and compares it with the ledgers in `truthDir`. */
export const examine = async (
  options: DrainOptions & { readonly observer: Observer; readonly truthDir: string },
): Promise<Examination> => {
  const drained = await drain(options)
  const report = audit(readTruth(options.truthDir), await options.observer.everything())
  const { lost, extra, ledgerResidue } = report
  return {
    ...drained,
    report,
    findings: [...drained.waitingFor.map((text) => `not drained: ${text}`), ...report.findings],
    ok: lost === 0 && extra === 0 && ledgerResidue === 0 && drained.waitingFor.length === 0,
  }
}
