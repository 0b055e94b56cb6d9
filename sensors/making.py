"""From what is configured to what runs. Nothing is imported before a sensor of its kind is asked for."""

from __future__ import annotations

from sensors.config import AgentConfig, CameraConfig, CheckpointConfig, SensorConfig
from sensors.config_gateway import GatewayConfig
from sensors.config_lines import BeamConfig, ThermometerConfig, WedgeConfig
from sensors.desk import Desk, Sensor


def sensor_of(config: SensorConfig) -> Sensor:
    match config:
        case CameraConfig():
            from sensors.sensor_camera import CameraSensor

            return CameraSensor(config)
        case CheckpointConfig():
            from sensors.qr import CheckpointSensor

            return CheckpointSensor(config)
        case BeamConfig():
            from sensors.sensor_beam import BeamSensor

            return BeamSensor(config)
        case ThermometerConfig():
            from sensors.sensor_thermometer import ThermometerSensor

            return ThermometerSensor(config)
        case WedgeConfig():
            from sensors.sensor_wedge import WedgeSensor

            return WedgeSensor(config)
        case GatewayConfig():
            from sensors.sensor_gateway import GatewaySensor

            return GatewaySensor(config)


def attending(config: AgentConfig, desk: Desk) -> list[Sensor]:
    """Outputs and the fire input: they run beside the sensors and have no end of their own."""
    from sensors.outputs import FireInput, Output

    outputs = [Output(each) for each in config.outputs]
    desk.on_passed += [each.passed for each in outputs]
    return [*outputs, *([FireInput(config.fire, outputs)] if config.fire else [])]
