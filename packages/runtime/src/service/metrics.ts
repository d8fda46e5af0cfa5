import {
  AggregatorRegistry,
  Counter,
  Gauge,
  Histogram,
  Registry,
  collectDefaultMetrics,
  type MetricObjectWithValues,
  type MetricValue,
} from 'prom-client'

export type { Counter, Gauge, Histogram, Registry }

/** Present values of a registry, in a form that can be sent to another process. */
export type MetricsSnapshot = readonly MetricObjectWithValues<MetricValue<string>>[]

/** The metrics text of several processes together: values with the same labels are added up. */
export const sumMetrics = (parts: readonly MetricsSnapshot[]): Promise<string> =>
  AggregatorRegistry.aggregate([...parts]).metrics()

/**
 * The metrics of one service. Names are `weir_<what>_<unit>[_total]`; label values come from bounded sets, never from
 * payloads.
 */
export class Metrics {
  readonly registry = new Registry()

  constructor(service: string) {
    this.registry.setDefaultLabels({ service })
  }

  /** Adds the figures of the process itself (memory, CPU, event loop); call it once per process. */
  collectProcess(): void {
    collectDefaultMetrics({ register: this.registry })
  }

  snapshot(): Promise<MetricsSnapshot> {
    return this.registry.getMetricsAsJSON()
  }

  counter<L extends string>(name: string, help: string, labelNames: readonly L[] = []): Counter<L> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] })
  }

  gauge<L extends string>(name: string, help: string, labelNames: readonly L[] = []): Gauge<L> {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.registry] })
  }

  /** `buckets` are upper bounds in the unit of the metric's name. */
  histogram<L extends string>(
    name: string,
    help: string,
    labelNames: readonly L[] = [],
    buckets: readonly number[] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  ): Histogram<L> {
    return new Histogram({
      name,
      help,
      labelNames: [...labelNames],
      buckets: [...buckets],
      registers: [this.registry],
    })
  }
}
