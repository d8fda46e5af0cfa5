import { runService } from '@weir/service-kit'
import { ingress } from './index.ts'

await runService(ingress)
