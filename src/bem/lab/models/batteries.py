"""Batteries: the objects under test, each technology with fields of its own."""

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q

from bem.domain.battery import BatterySpec
from bem.domain.battery import Technology as DomainTechnology
from bem.domain.limits import Limits


class Battery(models.Model):
    """A battery. Its voltage and current limits bound everything that is ever done to it."""

    class Technology(models.TextChoices):
        """As in the domain."""

        LITHIUM = DomainTechnology.LITHIUM.value, "Lithium"
        LEAD_ACID = DomainTechnology.LEAD_ACID.value, "Lead-acid"
        REDOX_STACK = DomainTechnology.REDOX_STACK.value, "Redox-flow stack"

    name = models.CharField(max_length=64)
    manufacturer = models.CharField(max_length=64, blank=True)
    model = models.CharField(max_length=64, blank=True)
    serial_number = models.CharField(max_length=64, blank=True)
    description = models.TextField(max_length=2000, blank=True)
    fabricated_on = models.DateField(null=True, blank=True)
    technology = models.CharField(max_length=16, choices=Technology)
    cells = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1)])
    cell_voltage_min = models.FloatField(null=True, blank=True)
    cell_voltage_max = models.FloatField(null=True, blank=True)
    voltage_min = models.FloatField()
    voltage_max = models.FloatField()
    current_min = models.FloatField(help_text="Strongest discharge, negative")
    current_max = models.FloatField(help_text="Strongest charge")
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["name", "id"]
        verbose_name_plural = "batteries"
        constraints = [
            models.UniqueConstraint(
                fields=["name", "manufacturer", "model", "serial_number"],
                name="battery_is_unique",
            ),
            models.CheckConstraint(
                condition=Q(voltage_min__lt=F("voltage_max")), name="battery_voltage_ordered"
            ),
            models.CheckConstraint(
                condition=Q(current_min__lte=0, current_max__gte=0)
                & Q(current_min__lt=F("current_max")),
                name="battery_current_ordered",
            ),
            models.CheckConstraint(
                condition=Q(cell_voltage_min__isnull=True)
                | Q(cell_voltage_max__isnull=True)
                | Q(cell_voltage_min__lt=F("cell_voltage_max")),
                name="battery_cell_voltage_ordered",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.serial_number})" if self.serial_number else self.name

    @property
    def capacity(self) -> float | None:
        """Nominal capacity in Ah; ``None`` for a redox-flow stack."""
        for technology in ("lithium", "lead_acid"):
            if self.technology == technology and hasattr(self, technology):
                capacity: float = getattr(self, technology).capacity
                return capacity
        return None

    def spec(self) -> BatterySpec:
        """What the compiler needs to know.

        Raises:
            pydantic.ValidationError: the stored limits contradict each other.
        """
        return BatterySpec(
            name=str(self),
            technology=DomainTechnology(self.technology),
            capacity=self.capacity,
            limits=Limits(
                voltage_min=self.voltage_min,
                voltage_max=self.voltage_max,
                current_min=self.current_min,
                current_max=self.current_max,
            ),
        )


class Chemistry(models.TextChoices):
    """Positive electrodes of lithium cells."""

    NMC = "nmc", "NMC"
    NCA = "nca", "NCA"
    LMO = "lmo", "LMO"
    LFP = "lfp", "LFP"
    LCO = "lco", "LCO"
    OTHER = "other", "Other"


class LeadAcidChemistry(models.TextChoices):
    """How the electrolyte of a lead-acid battery is held."""

    LIQUID = "liquid", "Liquid"
    GEL = "gel", "Gel"
    OTHER = "other", "Other"


class Lithium(models.Model):
    """What only lithium batteries have. Capacity in Ah."""

    battery = models.OneToOneField(Battery, models.CASCADE, primary_key=True)
    capacity = models.FloatField(validators=[MinValueValidator(1e-6)])
    chemistry = models.CharField(max_length=8, choices=Chemistry)

    class Meta:
        verbose_name_plural = "lithium"

    def __str__(self) -> str:
        return f"{self.get_chemistry_display()}, {self.capacity:g} Ah"


class LeadAcid(models.Model):
    """What only lead-acid batteries have. Capacity in Ah."""

    battery = models.OneToOneField(
        Battery, models.CASCADE, primary_key=True, related_name="lead_acid"
    )
    capacity = models.FloatField(validators=[MinValueValidator(1e-6)])
    chemistry = models.CharField(max_length=8, choices=LeadAcidChemistry)

    class Meta:
        verbose_name_plural = "lead-acid"

    def __str__(self) -> str:
        return f"{self.get_chemistry_display()}, {self.capacity:g} Ah"


class RedoxStack(models.Model):
    """What only redox-flow stacks have. Electrode area in cm²."""

    class Bipolar(models.TextChoices):
        """Bipolar plates."""

        PAPYEX_MERSEN = "papyex_mersen", "Papyex Mersen"
        COMPOSITE_SCHUNK = "composite_schunk", "Composite Schunk"
        GRAPHITE = "graphite", "Graphite"
        OTHER = "other", "Other"

    class Membrane(models.TextChoices):
        """Membranes."""

        FUMASEP_ANIONIC = "fumasep_anionic", "Fumasep, anionic"
        FUMASEP_CATIONIC = "fumasep_cationic", "Fumasep, cationic"
        NAFION = "nafion", "Nafion"
        VANADION = "vanadion", "Vanadion"
        PEEK = "peek", "PEEK"
        OTHER = "other", "Other"

    class Electrolyte(models.TextChoices):
        """Electrolytes."""

        ALL_VANADIUM = "all_vanadium", "All-vanadium"
        ALL_IRON = "all_iron", "All-iron"
        VANADIUM_BASED = "vanadium_based", "Vanadium-based"
        IRON_BASED = "iron_based", "Iron-based"
        OTHER = "other", "Other"

    battery = models.OneToOneField(
        Battery, models.CASCADE, primary_key=True, related_name="redox_stack"
    )
    electrode_area = models.FloatField(validators=[MinValueValidator(1e-6)])
    electrode_composition = models.CharField(max_length=64)
    bipolar_type = models.CharField(max_length=20, choices=Bipolar)
    membrane_type = models.CharField(max_length=20, choices=Membrane)
    electrolyte_type = models.CharField(max_length=20, choices=Electrolyte)

    def __str__(self) -> str:
        return f"{self.get_electrolyte_type_display()}, {self.electrode_area:g} cm²"
