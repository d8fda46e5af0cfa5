import { ok, type Outcome } from './outcome.ts'

/**
 * One named decision about one event: pure, synchronous, without I/O. The function's name labels metrics and dead
 * letters.
 */
export type Step<In, Out, Drop extends string = never> = (input: In) => Outcome<Out, Drop>

/** The outcome of a whole pipeline, with the name of the step that ended it. */
export type PipelineOutcome<T, Drop extends string = never> = Outcome<T, Drop> & { readonly step: string }

export interface Pipeline<In, Out, Drop extends string = never> {
  /** Appends a step, which receives the value of the previous one. The function must have a name. */
  step<Next, D extends string = never>(next: Step<Out, Next, D>): Pipeline<In, Next, Drop | D>
  run(input: In): PipelineOutcome<Out, Drop>
  readonly steps: readonly string[]
}

const build = <In, Out, Drop extends string>(
  steps: readonly Step<unknown, unknown, Drop>[],
): Pipeline<In, Out, Drop> => ({
  steps: steps.map((step) => step.name),
  step: <Next, D extends string = never>(next: Step<Out, Next, D>) => {
    if (next.name === '') throw new TypeError('a pipeline step needs a function name')
    return build<In, Next, Drop | D>([...steps, next as Step<unknown, unknown, Drop | D>])
  },
  run: (input) => {
    let value: unknown = input
    let last = ''
    for (const step of steps) {
      last = step.name
      const outcome = step(value)
      if (outcome.kind !== 'ok') return { ...outcome, step: last }
      value = outcome.value
    }
    return { ...ok(value as Out), step: last }
  },
})

/** An empty pipeline to append steps to: `startPipeline<Input>().step(a).step(b)`. */
export const startPipeline = <In>(): Pipeline<In, In> => build<In, In, never>([])
