// What Grafana's application registers at its start and the library alone lacks: field properties and transformations.
import { FieldConfigOptionsRegistry, standardTransformers, standardTransformersRegistry } from '@grafana/data';

const STANDARD = ['unit', 'min', 'max', 'decimals', 'displayName', 'noValue', 'thresholds', 'mappings', 'color', 'links'];
const CUSTOM = [
  'align', 'axisPlacement', 'axisSoftMax', 'cellOptions', 'drawStyle', 'fillBelowTo', 'fillOpacity', 'filterable', 'gradientMode', 'hideFrom', 'inspect',
  'lineInterpolation', 'lineStyle', 'lineWidth', 'minWidth', 'pointSize', 'scaleDistribution', 'showPoints', 'spanNulls', 'stacking', 'thresholdsStyle', 'width',
];

const option = (path, isCustom) => ({
  id: isCustom ? `custom.${path}` : path,
  path,
  name: path,
  isCustom,
  shouldApply: () => true,
  process: (value) => value,
  override: () => null,
  editor: () => null,
  settings: {},
});

export const fieldConfigRegistry = new FieldConfigOptionsRegistry(() => [
  ...STANDARD.map((path) => option(path, false)),
  ...CUSTOM.map((path) => option(path, true)),
]);

standardTransformersRegistry.setInit(() =>
  [standardTransformers.mergeTransformer, standardTransformers.organizeFieldsTransformer].map((one) => ({
    id: one.id,
    name: one.name,
    editor: () => null,
    transformation: () => Promise.resolve(one),
  })),
);
