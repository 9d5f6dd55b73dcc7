// Two panels that are in Grafana itself and not in its component library, drawn here after their settings: state timeline and heatmap.
// They carry a sign that says so. Colours, texts and units come from the library's display processors all the same.
import React from 'react';
import { dateTimeFormat } from '@grafana/data';
import { useTheme2 } from '@grafana/ui';

const AXIS = 22;
const LEFT = 72;
const LETTER = 6.8;
const TICKS = 6;

function TimeAxis({ range, width, height, left }) {
  const theme = useTheme2();
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const at = Array.from({ length: TICKS }, (_, index) => from + ((index + 0.5) * (to - from)) / TICKS);
  return at.map((one) => (
    <text key={one} x={left + ((one - from) / (to - from)) * (width - left)} y={height - 6} fill={theme.colors.text.secondary} fontSize={12} textAnchor="middle">
      {dateTimeFormat(one, { format: 'HH:mm:ss', timeZone: 'utc' })}
    </text>
  ));
}

function segments(field, times, end, step) {
  const found = [];
  field.values.forEach((value, index) => {
    if (value === null) return;
    const last = found.at(-1);
    const until = times[index + 1] ?? Math.min(end, times[index] + 1500 * step);
    if (last && last.value === value && last.until === times[index]) last.until = until;
    else found.push({ value, from: times[index], until });
  });
  return found;
}

export function StateTimeline({ panel, data, width, height, range, step }) {
  const theme = useTheme2();
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const left = Math.max(LEFT, 16 + LETTER * Math.max(...data.map((frame) => frame.name.length)));
  const x = (at) => left + ((at - from) / (to - from)) * (width - left);
  const band = (height - AXIS) / data.length;
  return (
    <svg width={width} height={height} fontFamily={theme.typography.fontFamily}>
      {data.map((frame, row) => {
        const [time, field] = frame.fields;
        const thick = band * panel.options.rowHeight;
        const top = row * band + (band - thick) / 2;
        return (
          <g key={frame.name}>
            <text x={left - 8} y={top + thick / 2 + 4} fill={theme.colors.text.primary} fontSize={12} textAnchor="end">{frame.name}</text>
            {segments(field, time.values, to, step).map((one) => {
              const shown = field.display(one.value);
              const wide = Math.max(1, x(one.until) - x(one.from));
              return (
                <g key={one.from}>
                  <rect x={x(one.from)} y={top} width={wide} height={thick} fill={shown.color} fillOpacity={panel.fieldConfig.defaults.custom.fillOpacity / 100} />
                  {wide > 8 * shown.text.length && (
                    <text x={x(one.from) + 6} y={top + thick / 2 + 4} fontSize={12} fill={theme.colors.getContrastText(shown.color)}>{shown.text}</text>
                  )}
                </g>
              );
            })}
          </g>
        );
      })}
      <TimeAxis range={range} width={width} height={height} left={left} />
    </svg>
  );
}

// Grafana takes each bucket's own count from the cumulative ones, in the order of their bounds.
function buckets(data) {
  const sorted = [...data].sort((one, other) => bound(one) - bound(other));
  return sorted.map((frame, row) => ({
    bound: bound(frame),
    times: frame.fields[0].values,
    counts: frame.fields[1].values.map((value, index) => Math.max(0, value - (row ? sorted[row - 1].fields[1].values[index] ?? 0 : 0))),
  }));
}
const bound = (frame) => Number(frame.fields[1].labels.le.replace('Inf', 'Infinity'));

export function Heatmap({ data, width, height, range, unit, step }) {
  const theme = useTheme2();
  const [from, to] = [range.from.valueOf(), range.to.valueOf()];
  const rows = buckets(data);
  const most = Math.max(1e-9, ...rows.flatMap((row) => row.counts));
  const high = (height - AXIS) / rows.length;
  const x = (at) => LEFT + ((at - from) / (to - from)) * (width - LEFT);
  return (
    <svg width={width} height={height} fontFamily={theme.typography.fontFamily}>
      {rows.map((row, index) => {
        const top = height - AXIS - (index + 1) * high;
        return (
          <g key={row.bound}>
            <text x={LEFT - 8} y={top + high / 2 + 4} fill={theme.colors.text.secondary} fontSize={11} textAnchor="end">{row.bound === Infinity ? '+Inf' : unit(row.bound)}</text>
            {row.counts.map((count, at) =>
              count > 0 ? (
                <rect key={row.times[at]} x={x(row.times[at] - step * 1000)} y={top} width={Math.max(1, x(row.times[at]) - x(row.times[at] - step * 1000) - 1)} height={high - 1}
                  fill={theme.visualization.getColorByName('dark-orange')} fillOpacity={0.1 + 0.9 * Math.sqrt(count / most)} />
              ) : null,
            )}
          </g>
        );
      })}
      <TimeAxis range={range} width={width} height={height} left={LEFT} />
    </svg>
  );
}
