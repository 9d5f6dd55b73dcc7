// The panels that Grafana's component library has: time series, stat, bar gauge, table, text.
// Each component gets the panel's JSON, its frames with the field settings applied, and the room it has.
import React from 'react';
import { FieldColorModeId, VizOrientation, getDisplayValueAlignmentFactors, getFieldDisplayValues, renderMarkdown } from '@grafana/data';
import { BarGauge, BigValue, TimeSeries, VizRepeater, useTheme2 } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

const same = (text) => text;

function marked(builder, marks, colour) {
  builder.addHook('draw', (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.strokeStyle = colour;
    ctx.setLineDash([3, 3]);
    for (const at of marks) {
      const x = plot.valToPos(at, 'x', true);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  });
  return null;
}

export function Lines({ panel, data, width, height, range, marks }) {
  const theme = useTheme2();
  const options = panel.options;
  return (
    <TimeSeries frames={data} timeRange={range} timeZone={['utc']} width={width} height={height} legend={options.legend} structureRev={1} options={options}>
      {(builder) => marked(builder, marks, theme.visualization.getColorByName('red'))}
    </TimeSeries>
  );
}

function displayed(panel, fieldConfig, data, theme) {
  return getFieldDisplayValues({
    fieldConfig,
    reduceOptions: panel.options.reduceOptions,
    replaceVariables: same,
    theme,
    data,
    sparkline: false,
    timeZone: 'utc',
  });
}

export function Stat({ panel, fieldConfig, data, width, height }) {
  const theme = useTheme2();
  return (
    <VizRepeater
      getValues={() => displayed(panel, fieldConfig, data, theme)}
      source={data}
      renderCounter={1}
      width={width}
      height={height}
      autoGrid
      orientation={VizOrientation.Auto}
      renderValue={({ value, width: w, height: h, count }) => (
        <BigValue
          value={value.display}
          count={count}
          colorMode={panel.options.colorMode}
          graphMode={panel.options.graphMode}
          justifyMode={panel.options.justifyMode}
          textMode={panel.options.textMode}
          width={w}
          height={h}
          theme={theme}
          wideLayout
        />
      )}
    />
  );
}

export function Bars({ panel, fieldConfig, data, width, height }) {
  const theme = useTheme2();
  const options = panel.options;
  return (
    <VizRepeater
      getValues={() => displayed(panel, fieldConfig, data, theme)}
      getAlignmentFactors={(values) => getDisplayValueAlignmentFactors(values)}
      source={data}
      renderCounter={1}
      width={width}
      height={height}
      minVizHeight={options.minVizHeight}
      maxVizHeight={options.maxVizHeight}
      itemSpacing={8}
      orientation={VizOrientation.Horizontal}
      renderValue={({ value, alignmentFactors, width: w, height: h, orientation }) => (
        <BarGauge
          value={value.display}
          field={{ ...value.field, color: value.field.color ?? { mode: FieldColorModeId.Thresholds } }}
          display={value.view?.getFieldDisplayProcessor(value.colIndex)}
          alignmentFactors={alignmentFactors}
          orientation={orientation}
          displayMode={options.displayMode}
          valueDisplayMode={options.valueMode}
          namePlacement={options.namePlacement}
          text={options.text}
          showUnfilled={options.showUnfilled}
          itemSpacing={8}
          width={w}
          height={h}
          theme={theme}
        />
      )}
    />
  );
}

export function Table({ panel, fieldConfig, data, width, height, range }) {
  return (
    <TableNG
      data={data[0]}
      width={width}
      height={height}
      sortBy={panel.options.sortBy}
      cellHeight={panel.options.cellHeight}
      fieldConfig={fieldConfig}
      noValue={fieldConfig.defaults.noValue}
      timeRange={range}
      structureRev={1}
      enableVirtualization={false}
    />
  );
}

export function Text({ panel, height }) {
  return <div className="markdown-html" style={{ height, overflow: 'hidden' }} dangerouslySetInnerHTML={{ __html: renderMarkdown(panel.options.content) }} />;
}
